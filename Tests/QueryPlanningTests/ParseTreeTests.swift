// The parse tree's accessors, read as PostgreSQL's grammar fills them.
import Testing

@testable import QueryPlanning

@Suite struct ParseTreeTests {
    @Test func aScriptIsSplitIntoItsStatements() throws {
        let tree = try ParseTree("SELECT 1; /* é */ UPDATE t SET a = 1")
        #expect(tree.statements.count == 2)
        #expect(tree.statements[0].range == 0..<8)
        #expect(tree.statements[0].node.selectStmt != nil)
        #expect(tree.statements[1].node.updateStmt != nil)
        #expect(tree.statements[1].range == 9..<37)
    }

    @Test func aSyntaxErrorHasPostgreSQLsMessageAndCharacterPosition() {
        #expect(throws: Refusal("42601", "syntax error at or near \"WHERE\"", position: 17)) {
            _ = try ParseTree("SELECT 'é' FROM WHERE")
        }
    }

    @Test(arguments: [
        ("1", Literal.integer(1)), ("0", .integer(0)), ("3000000000", .number("3000000000")), ("1.50", .number("1.50")),
        ("true", .boolean(true)), ("'a''b'", .string("a'b")), ("B'01'", .bitString("b01")), ("NULL", .null), ("-5", .integer(-5)),
    ])
    func literalsAreReadByKind(text: String, value: Literal) throws {
        let tree = try ParseTree("SELECT " + text)
        let targets = try #require(tree.statements[0].node.selectStmt)
        let target = NodeList(targets.pointee.target_list, targets.pointee.n_target_list)[0]?.resTarget
        let literal = Node(target?.pointee.val)?.literal
        #expect(literal?.value == value)
        #expect(literal?.location == 7)
    }

    @Test func aWalkVisitsEveryNodeAndStopsWhenTold() throws {
        let tree = try ParseTree("WITH c AS (SELECT $1) SELECT (SELECT f($2) FROM a JOIN b USING (x)) FROM c WHERE y IN (1, $3) UNION SELECT $4")
        var numbers: [Int32] = []
        TreeWalk.nodes(under: tree.statements[0].node) { node in
            if let parameter = node.paramRef { numbers.append(parameter.pointee.number) }
            return .descend
        }
        #expect(numbers.sorted() == [1, 2, 3, 4])
        #expect(!TreeWalk.nodes(under: tree.statements[0].node) { $0.funcCall != nil ? .stop : .descend })
    }
}
