"""Functions in raw SQL that are given a table's name, or SQL, as a string.

Two rules. A function that is known to reach rows by a string, or values out of them, is
refused wherever it is called, also in a compiled statement, and whatever it is given. Any other
function may be given strings, but for a literal that names a table with tenants' rows or looks
like SQL: that takes a function that is known to do no more with it than compute. What a bound
parameter holds is not known when a statement is compiled, and application functions take
strings all the time, so parameters of an unknown function pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

__all__ = ["EXTENSIONS", "REACHING", "literals_for_functions", "sql_for_a_function"]

_OF_POSTGRESQL: Final = (
    r"(?:query|table|cursor|schema|database)_to_xml\w*|ts_stat|ts_rewrite"
    r"|lo_\w+|loread|lowrite|pg_read_(?:binary_)?file|pg_ls_\w+|pg_stat_file"
    r"|pg_logical_slot_\w+|pg_(?:create|copy)_logical_replication_slot"
)
_OF_OTHER_DATABASES: Final = r"load_file|execute_prepared_stmt|load_extension|eval|readfile"

EXTENSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "adminpack": r"pg_file_\w+|pg_logdir_ls",
        "amcheck": r"bt_index_\w+|gin_index_check|verify_heapam",
        "dblink": r"dblink\w*",
        "pageinspect": (
            r"get_raw_page\w*|page_header|page_checksum|fsm_page_contents|tuple_data_split"
            r"|heap_page_\w+|heap_tuple_\w+|bt_(?:metap|page_\w+|multi_page_\w+)"
            r"|(?:brin|gin|gist|hash)_(?:metapage|page|leafpage|revmap|bitmap)\w*"
        ),
        "pg_buffercache": r"pg_buffercache\w*",
        "pg_cron": r"schedule(?:_in_database)?|alter_job",
        "pg_freespacemap": r"pg_freespace",
        "pg_visibility": r"pg_visibility\w*|pg_check_(?:frozen|visible)|pg_truncate_visibility_map",
        "pg_walinspect": r"pg_get_wal_\w+",
        "pgrowlocks": r"pgrowlocks",
        "pgstattuple": r"pgstat(?:tuple|(?:gin|hash)?index)\w*|pg_relpages\w*",
        "postgres_fdw": r"postgres_fdw_\w+",
        "tablefunc": r"crosstab\w*|connectby\w*",
        "xml2": r"xpath_table",
    }
)
"""PostgreSQL's extensions that bring functions which reach rows by a string, with these."""

REACHING: Final = "|".join((_OF_POSTGRESQL, _OF_OTHER_DATABASES, *EXTENSIONS.values()))
"""The names of all functions that are known to."""

# What stands before a parenthesis and is no function.
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

# Functions that compute, or tell about the schema, and never read the rows of a table that they
# are given by name.
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

# A name behind one of these is that of a table or the like, and its parentheses hold columns.
_BEFORE_A_TABLE: Final = frozenset(
    "table into exists references index on view trigger constraint join update type".split()  # noqa: SIM905
)

# A string literal, a quoted name, a word, or one of the signs that matter here.
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
    """Yield the string literals that a function is given which is not known to be harmless.

    Args:
        text: SQL in which there is no doubt where literals begin and end.

    Yields:
        The position of the literal, its content, and the name of the function.
    """
    # For each open parenthesis the function that gets what is in it, if there is one.
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
    """Return the name of a function that is given a literal which looks like SQL.

    Args:
        text: SQL. Where a literal ends is taken as it is usual, for this looks at more than
            what names a table with tenants' rows, which is another check.
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
