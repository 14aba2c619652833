// Facts: what is true of every row that matters: which columns are equal, and which constants they are confined to.

/// Equality classes of columns with the constants each is confined to. A value: a side of a join adds its own.
///
/// Statements have few columns in equalities, so classes are short arrays; everything is O(columns in equalities).
struct Facts {
    private struct EqualityClass {
        var variables: [Variable]
        var constants: [ConstantSet]
    }
    private var classes: [EqualityClass] = []

    init() {}

    init(_ predicates: [Predicate]) {
        for predicate in predicates { add(predicate) }
    }

    mutating func add(_ predicate: Predicate) {
        switch predicate {
        case .equal(let left, let right): unite(left, right)
        case .member(let variable, let constants): confine(variable, to: constants)
        case .other: break
        }
    }

    func adding(_ predicates: [Predicate]) -> Facts {
        var facts = self
        for predicate in predicates { facts.add(predicate) }
        return facts
    }

    mutating func confine(_ variable: Variable, to constants: ConstantSet) {
        let index = classIndex(variable)
        guard classes[index].constants.count < StatementSize.maximumConstantSetCount else { return }
        if !classes[index].constants.contains(constants) { classes[index].constants.append(constants) }
    }

    mutating func unite(_ left: Variable, _ right: Variable) {
        let one = classIndex(left)
        let other = classIndex(right)
        guard one != other else { return }
        classes[one].variables += classes[other].variables
        for constants in classes[other].constants where !classes[one].constants.contains(constants) {
            guard classes[one].constants.count < StatementSize.maximumConstantSetCount else { break }
            classes[one].constants.append(constants)
        }
        classes.remove(at: other)
    }

    /// The class of a variable; made when it has none.
    private mutating func classIndex(_ variable: Variable) -> Int {
        if let found = classes.firstIndex(where: { $0.variables.contains(variable) }) { return found }
        classes.append(EqualityClass(variables: [variable], constants: []))
        return classes.count - 1
    }

    /// All variables equal to this one, itself included.
    func equals(of variable: Variable) -> [Variable] {
        classes.first { $0.variables.contains(variable) }?.variables ?? [variable]
    }

    /// Whether a fact holds of a column of these entries, which is then not NULL.
    func mention(anyOf entries: [RangeEntry]) -> Bool {
        classes.contains { known in
            (known.variables.count > 1 || !known.constants.isEmpty)
                && known.variables.contains { variable in entries.contains { $0.id == variable.entry } }
        }
    }

    /// What the variable is confined to; every set holds.
    func constants(of variable: Variable) -> [ConstantSet] {
        classes.first { $0.variables.contains(variable) }?.constants ?? []
    }
}
