// CatalogFacts: what the planner knows of a database beside its relations: types, collations, functions, operators,
// the database's own settings and the placement rules for tables that do not exist yet.
import ShardMap

/// A data type (a row of pg_type).
public struct CatalogType: Sendable, Equatable {
    public var oid: UInt32
    public var schema: String
    public var name: String
    /// typtype: b base, c composite, d domain, e enum, p pseudo, r range, m multirange.
    public var kind: Character
    /// typcategory: N numbers, S strings, D dates and times ...
    public var category: Character
    /// The type under a domain, else 0.
    public var baseTypeOID: UInt32
    /// The modifier a domain puts on its base type, else -1.
    public var typeModifier: Int32
    /// The elements' type of an array type, else 0.
    public var elementTypeOID: UInt32
    /// The array type over this one, else 0.
    public var arrayTypeOID: UInt32
    public var collationOID: UInt32
    /// A domain's default, as pg_get_expr prints it.
    public var defaultExpression: String?
    /// A domain with NOT NULL or CHECK.
    public var isConstrained: Bool
    /// Whether values can be sent in binary.
    public var hasBinarySend: Bool
    /// It has a cast from or to text that runs a function of the database's own, not an extension's.
    public var hasTextCast: Bool
    /// An enum's labels in their order.
    public var enumLabels: [String] = []
}

/// A collation (a row of pg_collation).
public struct CatalogCollation: Sendable, Equatable {
    public var oid: UInt32
    public var schema: String
    public var name: String
    /// collprovider: d database default, b builtin, c libc, i ICU.
    public var provider: Character
    public var isDeterministic: Bool
    /// Compares bytes: C or POSIX of libc.
    public var isBytewise: Bool
}

/// A function that is not PostgreSQL's own (a row of pg_proc outside pg_catalog and information_schema).
public struct CatalogFunction: Sendable, Equatable {
    public var oid: UInt32
    public var schema: String
    public var name: String
    /// prokind: f function, p procedure, a aggregate, w window function.
    public var kind: Character
    public var volatility: Volatility
    public var isStrict: Bool
    public var returnsSet: Bool
    public var argumentTypeOIDs: [UInt32]
    /// Arguments with a default, at the end.
    public var defaultedArgumentCount: Int
    public var isVariadic: Bool
    public var returnTypeOID: UInt32
    /// sql, plpgsql, c, internal ...
    public var language: String
    /// The source text; of BEGIN ATOMIC functions its SQL.
    public var body: String
    public var isSecurityDefiner: Bool
    /// The name of the extension it belongs to.
    public var extensionName: String?
    /// COMMENT ON FUNCTION, which may declare what the function reads.
    public var comment: String?
    /// What its declaration or its body tells (`FunctionReading`); nil: nothing is known.
    public var known: KnownFunction?

    /// Whether a call with this many arguments can mean this function.
    public func accepts(argumentCount: Int) -> Bool {
        let least = argumentTypeOIDs.count - defaultedArgumentCount - (isVariadic ? 1 : 0)
        return argumentCount >= least && (isVariadic || argumentCount <= argumentTypeOIDs.count)
    }
}

/// What is known of a function of the database beside its volatility mark.
public struct KnownFunction: Sendable, Equatable {
    public var effect: FunctionEffect
    /// What its body is, whatever it is marked: most functions are VOLATILE only because nobody said otherwise.
    public var volatility: Volatility
    /// The tables it reads by names without a schema, itself or through other functions: temporary tables may shadow them.
    public var tableNames: Set<String> = []
    /// It is what its comment says; its body could not be read, and may change settings.
    public var isDeclared = false
}

/// An operator that is not PostgreSQL's own.
public struct CatalogOperator: Sendable, Equatable {
    public var schema: String
    public var name: String
    /// 0 for a prefix operator.
    public var leftTypeOID: UInt32
    public var rightTypeOID: UInt32
    public var volatility: Volatility
}

/// A foreign key, unique constraint or unique index.
public struct RelationConstraint: Sendable, Equatable {
    public enum Kind: Character, Sendable {
        case primaryKey = "p"
        case unique = "u"
        case foreignKey = "f"
        case exclusion = "x"
    }
    public var name: String
    public var kind: Kind
    /// Column numbers (attnum) of the relation; 0 stands for an expression.
    public var columnNumbers: [Int]
    /// The table a foreign key refers to, else 0.
    public var referencedTable: UInt32
    /// A foreign key's columns there.
    public var referencedColumnNumbers: [Int]
    /// What a foreign key does when the row it refers to changes (confupdtype), or goes (confdeltype): a nothing, r restrict, c the same,
    /// n set NULL, d set defaults.
    public var updateAction: Character = "a"
    public var deleteAction: Character = "a"
    /// Column numbers that ON DELETE SET NULL or SET DEFAULT sets.
    public var overwrittenColumnNumbers: [Int] = []
}

/// How the database itself is set up.
public struct DatabaseFacts: Sendable, Equatable {
    public var name = ""
    /// server_encoding, e.g. UTF8.
    public var encoding = "UTF8"
    public var collate = "C"
    public var characterType = "C"
    /// datlocprovider: c libc, i ICU.
    public var provider: Character = "c"
    public var icuLocale: String?
    /// server_version_num, e.g. 150018.
    public var serverVersion = 150_000

    public init() {}

    /// Whether the default collation compares bytes.
    public var isBytewise: Bool { provider == "c" && (collate == "C" || collate == "POSIX") }
}

/// How freely a function may be evaluated (provolatile).
public enum Volatility: UInt8, Comparable, Sendable {
    case immutable, stable, volatile

    public static func < (left: Volatility, right: Volatility) -> Bool { left.rawValue < right.rawValue }

    init?(catalogCode: String) {
        switch catalogCode {
        case "i": self = .immutable
        case "s": self = .stable
        case "v": self = .volatile
        default: return nil
        }
    }
}

/// What there is in a database beside relations.
public struct CatalogFacts: Sendable {
    public var database = DatabaseFacts()
    /// All schemas' names.
    public var schemas: Set<String> = []
    public var types: [UInt32: CatalogType] = [:]
    public var collations: [UInt32: CatalogCollation] = [:]
    /// Functions that are not PostgreSQL's own, by name.
    public var functions: [String: [CatalogFunction]] = [:]
    /// Operators that are not PostgreSQL's own, by name.
    public var operators: [String: [CatalogOperator]] = [:]
    /// The rules that tables were and will be placed by.
    public var rules = ShardingRules()

    public init() {}

    /// The type a name means: the given schema's, or the first along the search path.
    public func type(schema: String?, name: String, searchPath: [String]) -> CatalogType? {
        typeOIDs[name].flatMap { oids in
            for schema in schema.map({ [$0] }) ?? searchPath {
                if let oid = oids.first(where: { types[$0]?.schema == schema }) { return types[oid] }
            }
            return nil
        }
    }

    /// Types by name; filled by `CatalogBuilder`.
    var typeOIDs: [String: [UInt32]] = [:]

    /// Whether text under this collation compares by bytes; 0 and the `default` collation mean the database's.
    public func isBytewise(collation oid: UInt32) -> Bool {
        guard let collation = collations[oid], collation.provider != "d" else { return database.isBytewise }
        return collation.isBytewise
    }
}
