"""Functions in raw SQL that take a table's name, or SQL, as a string.

There are two rules. A function that is known to reach rows, or values from them, through a
string is refused wherever it is called, also in a compiled statement and with any argument.
Any other function may take strings, except for a literal that names a table with tenants' rows
or looks like SQL: only functions that are known to be harmless may take such a literal. The
value of a bound parameter is not known when a statement is compiled, and functions of the
application take strings all the time, so parameters of unknown functions pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .extensions import EXTENSIONS

__all__ = ["REACHING", "literals_for_functions", "sql_for_a_function"]

_OF_POSTGRESQL: Final = (
    r"(?:query|table|cursor|schema|database)_to_xml\w*|ts_stat|ts_rewrite"
    r"|lo_\w+|loread|lowrite|pg_read_(?:binary_)?file|pg_ls_\w+|pg_stat_file"
    r"|pg_logical_slot_\w+|pg_(?:create|copy)_logical_replication_slot"
)
_OF_OTHER_DATABASES: Final = r"load_file|execute_prepared_stmt|load_extension|eval|readfile"

_OF_EXTENSIONS: Final = "|".join(each.functions for each in EXTENSIONS.values() if each.functions)

REACHING: Final = f"{_OF_POSTGRESQL}|{_OF_OTHER_DATABASES}|{_OF_EXTENSIONS}"
"""A pattern for the names of all functions that are known to reach rows, in which ``~`` is an
optional gap, see ``patterns.py``."""

# Words before a parenthesis that are not functions.
_WORDS: Final = """
    all and any array as between bigint bit by bytea case cast char character check collate
    column columns conflict cross cube date datetime dec decimal default distinct do double else
    end enum except exists explain fetch filter float for foreign from full generated group
    grouping having if ilike in include index inner int integer intersect interval into is
    isnull join json jsonb key lateral left like limit list match materialized natural not
    notnull null number numeric of offset on only or order outer over partition precision
    primary range real references regexp returning right rlike rollup row rows select set sets
    similar smallint some sounds table text then time timestamp to tstzrange union unique unsigned
    update using values varbinary varchar varying when where window with within xor
"""

# Functions that compute, or read the schema, but never the rows of a table that they are given by
# name.
_HARMLESS: Final = """
    abs age array_agg array_append array_cat array_length array_position array_positions
    array_prepend array_remove array_replace array_to_string ascii avg bit_length bool_and bool_or
    btrim ceil ceiling char_length character_length chr coalesce concat concat_ws convert_from
    convert_to count crc32 current_setting currval date_bin date_format date_part date_sub
    date_trunc datediff decode dense_rank digest elt encode every extract field find_in_set
    first_value floor format format_type gen_random_uuid glob greatest group_concat
    has_any_column_privilege has_column_privilege has_sequence_privilege has_table_privilege
    hashtext hashtextextended hex hmac iff ifnull iif initcap insert instr isnull json json_agg
    json_array json_arrayagg json_build_array json_build_object json_contains json_each
    json_extract json_extract_path json_extract_path_text json_insert json_keys json_object
    json_object_agg json_objectagg json_patch json_quote json_remove json_replace json_search
    json_set json_type json_unquote json_valid json_value jsonb_agg jsonb_build_array
    jsonb_build_object jsonb_each jsonb_extract_path jsonb_extract_path_text jsonb_insert
    jsonb_object jsonb_object_agg jsonb_path_exists jsonb_path_match jsonb_path_query
    jsonb_path_query_array jsonb_path_query_first jsonb_pretty jsonb_set jsonb_set_lax
    jsonb_strip_nulls julianday lag last_value lead least left length levenshtein like likelihood
    likely listagg locate log lower lpad ltrim make_interval max md5 mid min mod nextval
    now nth_value nullif num_nonnulls num_nulls nvl obj_description col_description octet_length
    overlay parse_ident percentile_cont percentile_disc pg_advisory_lock pg_advisory_unlock
    pg_advisory_xact_lock pg_get_serial_sequence pg_indexes_size pg_notify pg_relation_filepath
    pg_relation_size pg_size_pretty pg_sleep pg_table_size pg_total_relation_size
    pg_try_advisory_lock pg_try_advisory_xact_lock phraseto_tsquery plainto_tsquery position
    pragma_foreign_key_list pragma_index_info pragma_index_list pragma_index_xinfo
    pragma_table_info pragma_table_list pragma_table_xinfo printf quote quote_ident quote_literal
    quote_nullable rank regexp_count regexp_instr regexp_like regexp_match regexp_matches
    regexp_replace regexp_split_to_array regexp_split_to_table regexp_substr repeat replace
    reverse right round row_number row_to_json rpad rtrim setval setweight sha1 sha2 sha256
    similarity soundex split_part starts_with str_to_date strcmp strftime string_agg
    string_to_array strip strpos substr substring substring_index sum timediff timezone to_char
    to_date to_hex to_json to_jsonb to_number to_regclass to_regtype to_timestamp to_tsquery
    to_tsvector total translate trim ts_headline ts_rank ts_rank_cd typeof unaccent unhex unicode
    uniform unistr unlikely unnest upper uuid_generate_v5 websearch_to_tsquery word_similarity
    xmlelement xmlforest zeroblob
"""

_PASSES: Final = frozenset((_WORDS + _HARMLESS).split())

# After one of these comes the name of a table or another object, with columns in parentheses.
_BEFORE_A_TABLE: Final = frozenset(
    "table into exists references index on view trigger constraint join update type".split()  # noqa: SIM905
)

# A string literal, a quoted name, a word, or one of the relevant signs.
_TOKEN: Final = re.compile(
    r"""'((?:[^']|'')*+)'|("(?:[^"]|"")*+"|`(?:[^`]|``)*+`|[^\W\d][\w$]*+)|([().])|[^\s'"`\w().]"""
)

_LOOKS_LIKE_SQL: Final = re.compile(
    r"\A[\s(;]*+(?:SELECT\s|TABLE\s|VALUES\s*+\(|WITH\s(?:[^A]|A(?!S\s*+\())*+AS\s*+\()"
    r"|\bINSERT\s++INTO\s|\bDELETE\s++FROM\s|\bMERGE\s++INTO\s|\bTRUNCATE\s++TABLE\s"
    r"|\A[\s(;]*+(?:UPDATE\s++\S++\s++SET|COPY\s++\S++\s++(?:FROM|TO))\s",
    re.IGNORECASE,
)


def literals_for_functions(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the string literals in the arguments of functions that may be harmful.

    Args:
        text: SQL in which the boundaries of literals are not ambiguous.

    Yields:
        The position of the literal, its content, and the name of the function.
    """
    # For each open parenthesis, the function whose arguments it encloses, if any.
    calls: list[str | None] = []
    name = before = ""
    dotted = False
    for token in _TOKEN.finditer(text):
        literal, word, sign = token.groups()
        if literal is not None:
            if calls and calls[-1] is not None:
                yield token.start(), literal, calls[-1]
        elif word is not None:
            if not dotted:
                before = name
            name, dotted = word.strip('"`').casefold(), False
            continue
        elif sign == ".":
            dotted = True
            continue
        elif sign == "(":
            is_call = name and name not in _PASSES and before not in _BEFORE_A_TABLE
            calls.append(name if is_call else calls[-1] if calls else None)
        elif sign == ")" and calls:
            calls.pop()
        name = before = ""
        dotted = False


def sql_for_a_function(text: str) -> str | None:
    """Return the name of a function with an argument that looks like SQL; ``None`` if none has.

    Args:
        text: SQL. Literals are taken to end as in standard SQL. This is a further check: names of
            tables with tenants' rows are found separately.
    """
    if "'" not in text:
        return None
    return next(
        (
            name
            for _, content, name in literals_for_functions(text)
            if _LOOKS_LIKE_SQL.search(content)
        ),
        None,
    )
