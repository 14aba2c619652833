// ReconciliationSettings: the comparisons that proxy.conf names. Read and checked by ProxyHost, carried out by Reconciliation.
import Primitives

/// One named comparison.
public struct ReconciliationSettings: Sendable, Equatable {
    /// What is looked at; the raw value is the word of the configuration.
    public enum Check: String, Sendable, CaseIterable {
        /// Two queries have the same rows.
        case queries
        /// What rows of one table refer to is there in another, wherever both lie.
        case childrenWithoutParents = "children_without_parents"
        /// Each row of a sharded table lies on the shard of its key.
        case misplacedRows = "misplaced_rows"
        /// Each reference table has the same rows on all shards.
        case referenceTables = "reference_tables"
        /// No transaction has been prepared for long.
        case preparedTransactions = "prepared_transactions"
        /// No event has failed or waits for long to be sent.
        case outbox

        /// Those that need to be told nothing, and so can be run without a section of their own.
        public static let builtIn: [Check] = [.misplacedRows, .referenceTables, .preparedTransactions, .outbox]
    }

    /// A PostgreSQL beside the cluster.
    public struct Database: Sendable, Equatable {
        /// Name, address, or the directory of a unix socket.
        public var host: String
        public var port: Int
        public var database: String
        public var user: String
        public var password: String?
        public var tlsMode = TLSMode.disable
        /// For modes that verify; nil: the system's.
        public var tlsRootCertificateFile: String?

        public init(host: String, port: Int = 5432, database: String = "postgres", user: String = "postgres", password: String? = nil) {
            self.host = host
            self.port = port
            self.database = database
            self.user = user
            self.password = password
        }
    }

    /// One of the two things that are compared.
    public struct Side: Sendable, Equatable {
        public var query: String
        /// nil: the cluster.
        public var database: Database?

        public init(query: String, database: Database? = nil) {
            self.query = query
            self.database = database
        }
    }

    public var name: String
    /// What the rows are, for people.
    public var entityType: String
    public var check: Check
    /// What is right; of `childrenWithoutParents` the children.
    public var source = Side(query: "")
    /// What is compared with it.
    public var target = Side(query: "")
    /// The columns that tell rows apart, in both queries.
    public var key: [String] = []
    /// How far values of a column may be apart: a number, or a time in seconds.
    public var tolerances: [String: String] = [:]
    /// The table that repairs are written for; nil: they are told in words.
    public var repairTable: String?
    /// The outbox table.
    public var table = "outbox_events"
    /// From what age on prepared transactions and events that wait are told.
    public var olderThan = Span.seconds(600)
    /// How long after the first look a difference is looked at again, before it counts.
    public var recheckAfter = Span.seconds(1)
    /// From one run to the next; nil: only when somebody asks.
    public var interval: Span?

    public init(name: String, entityType: String? = nil, check: Check) {
        self.name = name
        self.entityType = entityType ?? name
        self.check = check
    }

    /// A check that needs to be told nothing.
    public init(builtIn check: Check) { self.init(name: check.rawValue, check: check) }
}
