"""Mutants of sessions and their objects."""

from __future__ import annotations

from typing import Final

from ..mutant import TESTS, Mutant, legitimate

__all__ = ["MUTANTS"]

_LATER_ATTRIBUTES: Final = f"{TESTS}/orm/test_later_attributes.py"
_LEAVING: Final = f"{TESTS}/orm/moving/test_leaving.py"
_PATTERNS: Final = f"{TESTS}/orm/moving/test_patterns.py"
_QUERIES: Final = f"{TESTS}/orm/moving/test_queries.py"
_STAYING: Final = f"{TESTS}/orm/moving/test_staying.py"
_AGREEMENT: Final = f"{TESTS}/orm/test_agreement.py"
_AUTOCOMMIT: Final = f"{TESTS}/orm/test_autocommit.py"
_HOOKS: Final = f"{TESTS}/orm/test_hooks.py"
_LOADED: Final = f"{TESTS}/orm/test_loaded.py"
_PENDING: Final = f"{TESTS}/orm/test_pending.py"
_SESSIONS: Final = f"{TESTS}/orm/test_sessions.py"
_SHARED_OBJECTS: Final = f"{TESTS}/orm/test_shared_objects.py"
_LOST_SCOPES: Final = f"{TESTS}/test_lost_scopes.py"

MUTANTS: Final = (
    Mutant(
        "attribute-added-later",
        "What is known of a mapper is kept when it gets another attribute.",
        "        or info.attributes is not mapper.column_attrs\n",
        "",
        (
            f"{_LATER_ATTRIBUTES}::test_what_an_attribute_added_later_computes_is_not_kept_for_another_tenant",
            f"{_LATER_ATTRIBUTES}::test_a_column_is_checked_though_the_mapper_was_used_before_it_had_the_attribute",
        ),
    ),
    Mutant(
        "mapper-generation-late",
        "The generation of what is known of a mapper is read after its tables.",
        "        tables = [table for table in mapper.tables if is_protected(table)]\n",
        "        tables = [table for table in mapper.tables if is_protected(table)]\n"
        "        self.generation = registry.generation\n",
        (f"{_LATER_ATTRIBUTES}::test_tables_that_are_protected_again_meanwhile_are_not_left_out",),
    ),
    Mutant(
        "reference-proven-run",
        "An object put into the session by hand proves a foreign key.",
        "        and moment_of(connection) in "
        "(loads.runs.get(state.runid), loads.inserted.get(state))\n",
        "",
        (
            f"{_LOADED}::test_a_detached_parent_made_by_hand_proves_nothing_beside_one_that_was_loaded",
        ),
    ),
    Mutant(
        "reference-proven-transaction",
        "An object of an earlier transaction proves a foreign key.",
        "        loads.transaction is _transaction(session)\n",
        "        loads.transaction is not None\n",
        (f"{_LOADED}::test_an_object_of_an_earlier_transaction_proves_nothing",),
    ),
    Mutant(
        "reference-proven-flush",
        "What a flush has looked up holds for another tenant.",
        "return bool(self.session_id) and binding is not None and binding[0] == self._bound",
        "return bool(self.session_id) and binding is not None",
        (f"{_LOADED}::test_what_a_flush_has_looked_up_proves_nothing_to_another_tenant",),
    ),
    Mutant(
        "new-object-autocommit",
        "A new object proves a foreign key where its own failure undoes nothing.",
        "        if is_undone:\n            self._proven[written].update(new)",
        "        if True:\n            self._proven[written].update(new)",
        (f"{_AUTOCOMMIT}::test_a_new_object_that_cannot_be_inserted_proves_nothing",),
    ),
    Mutant(
        "session-emptied",
        "A session keeps the objects of the tenant that it served.",
        "        move(session, serves, bound, elsewhere=elsewhere)",
        "        pass",
        (f"{_HOOKS}::test_get_does_not_answer_with_the_first_tenants_object",),
    ),
    Mutant(
        "moving-known",
        "Every object stays in a session that goes on in another scope.",
        " or belongs(state, bound) or _is_shared_row(state):",
        " or True:",
        (f"{_HOOKS}::test_get_does_not_answer_with_the_first_tenants_object",),
    ),
    Mutant(
        "moving-seen",
        "A tied object stays whichever tenant's scope it was seen in.",
        "    return bool(state.__dict__.get(_OF) == (bound, state.runid))",
        "    return bool(state.__dict__.get(_OF))",
        (f"{_LEAVING}::test_a_tied_object_of_another_tenant_leaves_after_a_system_scope",),
    ),
    Mutant(
        "moving-lost",
        "A change to an object that has left its session is accepted and lost.",
        "    if state.key is not None and state.session_id is None:",
        "    if False:",
        (f"{_LEAVING}::test_a_change_to_an_object_that_has_left_raises",),
    ),
    Mutant(
        "moving-collections",
        "A shared object keeps a collection of the former tenant's objects.",
        "by a tenant's rows.\n        gone += _unchanged(state, state.mapper.relationships.keys())",
        "by a tenant's rows.\n        gone += []",
        (f"{_STAYING}::test_a_shared_object_forgets_tenants_rows",),
    ),
    Mutant(
        "moving-tied",
        "An object that is tied to another tenant's row stays in the session.",
        "        if held is None or not belongs(instance_state(held), bound):",
        "        if held is None:",
        (f"{_LEAVING}::test_a_tied_object_goes_where_its_parent_goes",),
    ),
    Mutant(
        "moving-tied-changed",
        "A new foreign key decides to which tenant an object belongs.",
        "        if not state.committed_state.keys().isdisjoint(attributes):\n            return",
        "        if False:\n            return",
        (f"{_LEAVING}::test_a_tied_object_whose_parent_was_changed_does_not_stay",),
    ),
    Mutant(
        "moving-inserted",
        "A row that the transaction has inserted is looked up before it is referred to.",
        "            note_inserted(self._session, self._connection, self._objects)",
        "            pass",
        (f"{_QUERIES}::test_a_scope_costs_no_query",),
    ),
    Mutant(
        "moving-flush",
        "A tenant's pending work is flushed in a system scope.",
        "        entered = None if own is None else bind(own)",
        "        entered = None",
        (f"{_PATTERNS}::test_pending_work_is_flushed_in_its_own_scope",),
    ),
    Mutant(
        "moving-unseen",
        "The deletion of an object that another tenant has is dropped with a warning.",
        "        if is_unseen(state):",
        "        if False:",
        (f"{_STAYING}::test_an_expired_object_of_another_tenant_is_not_deleted",),
    ),
    Mutant(
        "session-pending",
        "A session with pending work may serve another tenant.",
        "        if any(elsewhere or not belongs(each, bound) for each in pending):",
        "        if session.deleted:",
        (f"{_PENDING}::test_a_session_with_pending_work_refuses_another_tenant_and_drops_nothing",),
    ),
    Mutant(
        "session-statement",
        "A statement of a session does not ask whom it serves.",
        "            serve(session)\n        router = bind",
        "            pass\n        router = bind",
        (legitimate("same tenant: an attribute that was deferred"),),
    ),
    Mutant(
        "session-attach",
        "Another tenant's detached object may be added.",
        "    if state.key is not None:\n        refuse_object_of_other_tenant(session, state)\n",
        "    pass\n",
        (
            f"{_SESSIONS}::test_another_tenants_detached_object_changes_nothing",
            f"{_SESSIONS}::test_another_tenants_detached_object_does_not_answer_get",
        ),
    ),
    Mutant(
        "identity-map",
        "get() answers from memory whoever is bound.",
        "        serve_lookup(self, mapper)\n",
        "",
        (f"{_HOOKS}::test_get_does_not_answer_with_the_first_tenants_object",),
    ),
    Mutant(
        "identity-map-unbound",
        "Without a tenant, get() answers from memory.",
        "    if session._tenantshield_serves is not None and info_of(mapper).is_owned:",
        "    if session is None:",
        (f"{_SESSIONS}::test_without_a_scope_memory_does_not_answer",),
    ),
    Mutant(
        "merge",
        "merge(load=False) takes another tenant's object.",
        "    if not load:\n        refuse_object_of_other_tenant(session, state)\n",
        "    pass\n",
        (
            f"{_SESSIONS}::test_merge_without_loading_does_not_take_another_tenants_object",
            f"{_SESSIONS}::test_a_frozen_result_of_another_tenants_is_not_merged",
        ),
    ),
    Mutant(
        "lazy-load",
        "An object loads more under another tenant.",
        "        serve_object(state)\n",
        "",
        (
            f"{_HOOKS}::test_an_unloaded_relationship_is_not_answered_wrongly_in_another_scope",
            f"{_HOOKS}::test_a_collection_is_not_loaded_in_another_tenants_scope",
        ),
    ),
    Mutant(
        "streamed",
        "A streamed result may be read on under another tenant.",
        "result.iterator = chain.from_iterable(_checked(chunks, check, result._yield_per))",
        "pass",
        (
            f"{_LOST_SCOPES}::test_a_streamed_result_read_on_in_another_scope_runs_nothing_there",
            f"{_LOST_SCOPES}::test_a_streamed_result_read_on_in_another_scope_puts_nothing_into_the_session",
        ),
    ),
    Mutant(
        "result",
        "A result may be read first under another tenant.",
        "            result.iterator = chain(iter(check, None), first, rows)",
        "            pass",
        (
            f"{_LOST_SCOPES}::test_a_result_read_first_in_another_scope_runs_nothing_and_keeps_its_rows",
        ),
    ),
    Mutant(
        "agreement-parents",
        "A system scope may link the rows of two tenants.",
        "        elif not (own[0].is_same_tenant(tenant, other) if own is not None else ",
        "        elif tenant is None and (own[0] if own is not None else ",
        (_AGREEMENT,),
    ),
    Mutant(
        "moving-links",
        "A changed link of a shared object to tenants' rows goes on in another scope.",
        "        return state.committed_state.keys().isdisjoint(info.to_owned)",
        "        return True",
        (_SHARED_OBJECTS,),
    ),
    Mutant(
        "moving-references",
        "A reference to another tenant's object is dropped in a tenant's scope.",
        "        and all(map(partial(_is_of, bound=bound), _newly_referred_to(state)))",
        "",
        (_SHARED_OBJECTS,),
    ),
    Mutant(
        "relationship-secondary",
        "A relationship through tenants' rows counts as one to shared objects.",
        "    return any(is_protected(each) and registry.ownership_of(each) is not None ",
        "    return any(False ",
        (_SHARED_OBJECTS,),
    ),
)
