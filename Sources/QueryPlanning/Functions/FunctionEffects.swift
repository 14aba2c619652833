// FunctionEffects: what PostgreSQL's own functions do or read beside their arguments.
//
// Immutable functions do nothing. Of the others every name that does or reads something is listed; a stable function
// not listed is free unless it is one of the server's (`pg_...`), which then tells of one server; a volatile function not
// listed is taken for one that acts on the server.

enum FunctionEffects {
    /// The effect of a call of a built-in function.
    static func effect(name: String, argumentCount: Int, volatility: Volatility) -> FunctionEffect {
        if let listed = byName[name] { return listed }
        if let special = byArgumentCount(name, argumentCount) { return special }
        if volatility == .immutable { return .none }
        if let rule = prefixes.first(where: { name.hasPrefix($0.prefix) }) { return rule.effect }
        if volatility == .volatile { return .administrative }
        return name.hasPrefix("pg_") ? .shardLocal : .none
    }

    /// age(timestamp) counts from today, age(xid) in the server's transactions; ts_rewrite(tsquery, text) runs the text.
    private static func byArgumentCount(_ name: String, _ count: Int) -> FunctionEffect? {
        switch (name, count) {
        case ("age", 1): .transactionTime
        case ("ts_rewrite", 2): .executesText
        case ("age", _), ("ts_rewrite", _): FunctionEffect.none
        default: nil
        }
    }

    private static let prefixes: [(prefix: String, effect: FunctionEffect)] = [
        ("lo_", .largeObject), ("query_to_xml", .executesText), ("table_to_xml", .executesText), ("schema_to_xml", .executesText),
        ("database_to_xml", .executesText), ("cursor_to_xml", .executesText), ("has_", .catalogRead), ("to_reg", .catalogRead),
        ("regclass", .catalogRead), ("regcollation", .catalogRead), ("regconfig", .catalogRead), ("regdictionary", .catalogRead),
        ("regnamespace", .catalogRead), ("regoper", .catalogRead), ("regproc", .catalogRead), ("regrole", .catalogRead),
        ("regtype", .catalogRead), ("pg_stat_get_", .shardLocal), ("pg_ls_", .shardLocal), ("pg_read_", .shardLocal),
        ("pg_control_", .shardLocal), ("pg_last_", .shardLocal), ("pg_current_wal_", .shardLocal),
        ("pg_xact_commit_", .shardLocal), ("inet_", .shardLocal),
    ]

    private static let byName: [String: FunctionEffect] = {
        var effects: [String: FunctionEffect] = [:]
        for (effect, names) in lists {
            for name in names.split(separator: " ") { effects[String(name)] = effect }
        }
        return effects
    }()

    private static let lists: [(FunctionEffect, String)] = [
        (.transactionTime, "now transaction_timestamp statement_timestamp"),
        (.freshValue, "random clock_timestamp timeofday gen_random_uuid pg_sleep pg_sleep_for pg_sleep_until"),
        (.sequenceWrite, "nextval setval"),
        (.sequenceRead, "currval lastval"),
        (.setting, "set_config setseed"),
        (
            .sessionAdvisoryLock,
            "pg_advisory_lock pg_advisory_lock_shared pg_try_advisory_lock pg_try_advisory_lock_shared"
        ),
        (
            .transactionAdvisoryLock,
            """
            pg_advisory_xact_lock pg_advisory_xact_lock_shared pg_try_advisory_xact_lock pg_try_advisory_xact_lock_shared
            """
        ),
        (.advisoryUnlock, "pg_advisory_unlock pg_advisory_unlock_shared pg_advisory_unlock_all"),
        (.notification, "pg_notify"),
        (.assignsTransactionID, "txid_current pg_current_xact_id"),
        (.executesText, "ts_stat currtid2"),
        (.largeObject, "loread lowrite"),
        (.none, "pg_typeof pg_client_encoding pg_char_to_encoding pg_encoding_to_char pg_timezone_names pg_timezone_abbrevs"),
        (.none, "pg_column_size pg_column_compression pg_collation_for"),
        (.catalogRead, catalogReaders), (.shardLocal, serverReaders),
    ]

    private static let catalogReaders = """
        format_type obj_description col_description shobj_description pg_describe_object pg_identify_object \
        pg_identify_object_as_address pg_get_object_address pg_has_role row_security_active pg_column_is_updatable \
        pg_relation_is_updatable pg_relation_is_publishable pg_collation_is_visible pg_conversion_is_visible \
        pg_function_is_visible pg_opclass_is_visible pg_operator_is_visible pg_opfamily_is_visible \
        pg_statistics_obj_is_visible pg_table_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible \
        pg_ts_parser_is_visible pg_ts_template_is_visible pg_type_is_visible pg_get_constraintdef pg_get_expr \
        pg_get_function_arg_default pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result \
        pg_get_function_sqlbody pg_get_functiondef pg_get_indexdef pg_get_partition_constraintdef pg_get_partkeydef \
        pg_get_publication_tables pg_get_replica_identity_index pg_get_ruledef pg_get_serial_sequence \
        pg_get_statisticsobjdef pg_get_statisticsobjdef_columns pg_get_statisticsobjdef_expressions pg_get_triggerdef \
        pg_get_userbyid pg_get_viewdef pg_get_catalog_foreign_keys pg_get_keywords pg_index_column_has_property \
        pg_index_has_property pg_indexam_has_property pg_sequence_parameters pg_options_to_table pg_available_extensions \
        pg_available_extension_versions pg_extension_update_paths pg_partition_tree pg_partition_ancestors pg_partition_root \
        pg_show_all_settings pg_settings_get_flags pg_config pg_tablespace_location pg_tablespace_databases \
        pg_is_other_temp_schema pg_event_trigger_ddl_commands
        """

    private static let serverReaders = """
        current_query pg_is_in_recovery pg_is_wal_replay_paused pg_get_wal_replay_pause_state pg_stat_file pg_lock_status \
        pg_prepared_xact pg_blocking_pids pg_safe_snapshot_blocking_pids pg_xact_status txid_status txid_current_snapshot \
        txid_current_if_assigned pg_sequence_last_value pg_collation_actual_version pg_database_collation_actual_version \
        pg_hba_file_rules pg_ident_file_mappings pg_show_all_file_settings pg_show_replication_origin_status \
        pg_get_backend_memory_contexts pg_get_multixact_members pg_get_shmem_allocations pg_get_wal_resource_managers \
        pg_jit_available pg_notification_queue_usage pg_current_logfile pg_stat_have_stats mxid_age \
        pg_isolation_test_session_is_blocked pg_relation_size pg_table_size pg_indexes_size pg_total_relation_size \
        pg_database_size pg_tablespace_size pg_replication_origin_session_is_setup pg_replication_origin_progress \
        pg_replication_origin_session_progress
        """
}
