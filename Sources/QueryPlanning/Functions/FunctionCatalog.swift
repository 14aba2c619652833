// FunctionCatalog: which functions a call may mean, PostgreSQL's own and the database's, and what follows for routing.
//
// Types of arguments are known only sometimes, so a call is looked up by its number of arguments, and the answer is the
// worst of all functions it may mean. A function of the database hides PostgreSQL's own only where it may be meant.

public enum FunctionCatalog {
    /// What a call may do. O(functions of that name).
    /// - Parameters:
    ///   - schema: as written; nil where the call is not qualified.
    ///   - argumentTypes: where they are known; one that fits PostgreSQL's own function exactly decides for it, unless the
    ///     search path finds another first.
    /// - Returns: nil if there is no such function.
    public static func lookup(
        schema: String?, name: String, argumentCount: Int, argumentTypes: [UInt32]? = nil, catalog: Catalog, searchPath: [String]
    ) -> FunctionFacts? {
        let own = ownFunctions(schema: schema, name: name, argumentCount: argumentCount, catalog: catalog, searchPath: searchPath)
        var builtIn: [BuiltInFunction] = []
        if schema == nil || schema == "pg_catalog" {
            builtIn = (BuiltInFunctions.byName[name] ?? []).filter { $0.accepts(argumentCount: argumentCount) }
        }
        if let exact = builtIn.first(where: { $0.argumentTypeOIDs == argumentTypes }),
            !own.contains(where: { $0.argumentTypeOIDs == argumentTypes }) || searchPath.first == "pg_catalog" {
            return facts(of: exact, name: name, argumentCount: argumentCount)
        }
        let all = builtIn.map { facts(of: $0, name: name, argumentCount: argumentCount) } + own.map(facts(of:))
        return all.dropFirst().reduce(all.first) { $0?.worst(with: $1) }
    }

    /// Whether PostgreSQL itself has a function of this name.
    public static func isBuiltIn(_ name: String) -> Bool { BuiltInFunctions.byName[name] != nil }

    private static func ownFunctions(
        schema: String?, name: String, argumentCount: Int, catalog: Catalog, searchPath: [String]
    ) -> [CatalogFunction] {
        (catalog.facts.functions[name] ?? []).filter { function in
            (schema.map { $0 == function.schema } ?? searchPath.contains(function.schema))
                && function.accepts(argumentCount: argumentCount)
        }
    }

    private static func facts(of function: BuiltInFunction, name: String, argumentCount: Int) -> FunctionFacts {
        FunctionFacts(
            isBuiltIn: true, kind: function.kind, volatility: function.volatility, isStrict: function.isStrict,
            returnsSet: function.returnsSet,
            effect: FunctionEffects.effect(name: name, argumentCount: argumentCount, volatility: function.volatility),
            returnTypeOID: function.returnTypeOID, combination: function.kind == .aggregate ? combinations[name] : nil)
    }

    /// A function of the database: IMMUTABLE is taken at its word, else what `FunctionReading` found counts.
    private static func facts(of function: CatalogFunction) -> FunctionFacts {
        let known = function.volatility == .immutable ? KnownFunction(effect: .none, volatility: .immutable) : function.known
        let kinds: [Character: FunctionFacts.Kind] = ["a": .aggregate, "w": .window, "p": .procedure]
        return FunctionFacts(
            isBuiltIn: false, kind: kinds[function.kind] ?? .function, volatility: known?.volatility ?? function.volatility,
            isStrict: function.isStrict, returnsSet: function.returnsSet, effect: known?.effect ?? .unknown, returnTypeOID: function.returnTypeOID,
            combination: nil, place: known == nil ? function.declaredPlace : nil, mayChangeSettings: mayChangeSettings(function),
            tableNames: known?.tableNames ?? [])
    }

    private static func mayChangeSettings(_ function: CatalogFunction) -> Bool {
        guard let known = function.known else { return function.language == "sql" || function.language == "plpgsql" }
        return known.isDeclared
    }

    private static let combinations: [String: AggregateCombination] = [
        "count": .count, "sum": .sum, "avg": .average, "min": .minimum, "max": .maximum, "bool_and": .boolAnd,
        "every": .boolAnd, "bool_or": .boolOr, "bit_and": .bitAnd, "bit_or": .bitOr, "bit_xor": .bitXor,
    ]
}

extension FunctionFacts {
    /// What holds for a call that may mean either.
    func worst(with other: FunctionFacts) -> FunctionFacts {
        FunctionFacts(
            isBuiltIn: isBuiltIn && other.isBuiltIn, kind: kind == other.kind ? kind : worseKind(other.kind),
            volatility: max(volatility, other.volatility), isStrict: isStrict && other.isStrict,
            returnsSet: returnsSet || other.returnsSet, effect: effect.rawValue >= other.effect.rawValue ? effect : other.effect,
            returnTypeOID: returnTypeOID == other.returnTypeOID ? returnTypeOID : nil,
            combination: combination == other.combination ? combination : nil, place: place == other.place ? place : nil,
            mayChangeSettings: mayChangeSettings || other.mayChangeSettings,
            tableNames: tableNames.union(other.tableNames))
    }

    private func worseKind(_ other: Kind) -> Kind { kind.rawValue >= other.rawValue ? kind : other }
}
