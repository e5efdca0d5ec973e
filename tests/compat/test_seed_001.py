"""The tests of seed 001, the same and the borders of resuming; every name, in its order."""

from tests.compat import seeds

test_file_store_save_and_load = seeds.save_and_load
test_file_store_load_nonexistent = seeds.load_nonexistent
test_file_store_delete = seeds.delete
test_file_store_list = seeds.list
test_file_store_overwrite = seeds.overwrite
test_file_store_path_traversal_prevention = seeds.path_traversal_prevention
test_file_store_with_policies = seeds.with_policies
test_file_store_with_llm_config = seeds.with_llm_config
test_memory_store_save_and_load = seeds.save_and_load
test_memory_store_delete = seeds.delete
test_memory_store_list = seeds.list
test_session_data_serialization = seeds.session_data_serialization
test_tool_names_from_definitions = seeds.tool_names_from_definitions
test_file_store_backslash_sanitization = seeds.sanitization(
    r"foo\bar\baz", "foo_bar_baz", "foo/bar/baz"
)
test_file_store_mixed_separator_sanitization = seeds.sanitization(
    r"foo/bar\baz..qux", "foo_bar_baz_qux", r"foo\bar/baz..qux", "foo/bar/baz/qux"
)
test_file_store_corrupted_json_recovery = seeds.corrupted_json_recovery
test_file_store_exists = seeds.exists
test_memory_store_exists = seeds.exists
test_file_store_health_check = seeds.health_check
test_file_store_health_check_bad_dir = seeds.health_check_bad_dir
test_memory_store_health_check = seeds.health_check
test_file_store_load_empty_file = seeds.load_empty_file
test_file_store_load_partial_json = seeds.load_partial_json
test_file_store_concurrent_save = seeds.concurrent_save
test_file_store_load_nonexistent_returns_none = seeds.load_nonexistent
