// ParameterNumbers: which `$n` a statement mentions, and which of them nobody can bind.
//
// The grammar takes any digits behind `$`. PostgreSQL refuses $0 and numbers beyond what it has memory for, and any number in a
// simple Query; numbers that no Bind can reach it refuses for the types that it is not told. All of that has to be refused here
// before a plan counts on it: types and values are counted in 16 bits.
import CPGQuery

enum ParameterNumbers {
    /// The number of the highest `$n` below a node; 0: there is none.
    static func highest(in node: Node) -> Int {
        var highest = 0
        forEach(in: node) { number, _ in highest = max(highest, number) }
        return highest
    }

    /// - Throws: 42P02 for the first parameter that no Bind can give a value to.
    static func check(_ node: Node, _ context: AnalysisContext) throws(Refusal) {
        guard context.statementText.utf8.contains(UInt8(ascii: "$")) else { return }
        let bindable = 1...StatementSize.maximumParameterCount
        guard let first = first(in: node, where: { !bindable.contains($0) }) else { return }
        throw missing(first, context)
    }

    /// The parameter that stands first in the text, of those with such numbers.
    fileprivate static func first(in node: Node, where isWanted: (Int) -> Bool) -> (number: Int, location: Int)? {
        var first: (number: Int, location: Int)?
        forEach(in: node) { number, location in
            if isWanted(number), location < first?.location ?? .max { first = (number, location) }
        }
        return first
    }

    fileprivate static func missing(_ parameter: (number: Int, location: Int), _ context: AnalysisContext) -> Refusal {
        Refusal("42P02", "there is no parameter $\(parameter.number)", position: context.characterPosition(ofByte: parameter.location))
    }

    private static func forEach(in node: Node, _ body: (_ number: Int, _ location: Int) -> Void) {
        TreeWalk.nodes(under: node) { child in
            if let parameter = child.paramRef { body(Int(parameter.pointee.number), Int(parameter.pointee.location)) }
            return .descend
        }
    }
}

extension Planner {
    /// Why a statement with parameters cannot run without values for them, in PostgreSQL's words.
    /// - Parameter text: one statement; blanks may stand in front of it for what else the message holds.
    public func refusalOfParameters(in text: [UInt8], environment: PlanningEnvironment) -> Refusal {
        let text = String(decoding: text, as: UTF8.self)
        let context = AnalysisContext(environment: environment, text: text, range: 0..<text.utf8.count)
        guard let tree = try? ParseTree(text), let node = tree.statements.first?.node,
            let first = ParameterNumbers.first(in: node, where: { _ in true })
        else { return Refusal("42P02", "there is no value for the statement's parameters") }
        return ParameterNumbers.missing(first, context)
    }
}
