enum ProxyTables {
    /// The schema of the proxy's own tables and functions; all there is each shard's own business.
    static let schema = "pgbraid"
}
