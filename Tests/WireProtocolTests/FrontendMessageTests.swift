// Messages of a client: what writers write, readers read; and PostgreSQL 15's words for what is malformed.
import Testing

@testable import WireProtocol

@Suite struct FrontendMessageTests {
    @Test func queryCarriesItsTextWithoutTheTerminator() throws {
        let bytes = written { $0.writeQuery("select 1") }
        #expect(bytes == captured(#"Q\x00\x00\x00\x0dselect 1\x00"#))
        try reading(bytes) { frame throws in #expect(try QueryMessage(frame).text.text == "select 1") }
    }

    @Test func parseCarriesNameTextAndTypes() throws {
        let bytes = written { $0.writeParse(name: "s1", text: "select $1", parameterTypes: [20, 25]) }
        #expect(bytes == captured(#"P\x00\x00\x00\x1bs1\x00select $1\x00\x00\x02\x00\x00\x00\x14\x00\x00\x00\x19"#))
        try reading(bytes) { frame throws in
            let message = try ParseMessage(frame)
            #expect(message.name.text == "s1")
            #expect(message.text.text == "select $1")
            #expect((0..<message.parameterCount).map(message.parameterType) == [20, 25])
            let renamed = written { queue in
                peeking(ascii("pgbraid_17")) { queue.writeParse(message, renamedTo: $0) }
            }
            #expect(
                renamed == written { $0.writeParse(name: "pgbraid_17", text: "select $1", parameterTypes: [20, 25]) })
        }
    }

    /// What libpq-like clients send: int8 in binary, NULL as text, results in binary.
    let bind = frame(
        "B",
        #"p\x00s1\x00\x00\x02\x00\x01\x00\x00\x00\x02\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00)\xff\xff\xff\xff\x00\x01\x00\x01"#
    )

    @Test func bindGivesEachParameterItsFormatAndValue() throws {
        try reading(bind) { frame throws in
            let message = try BindMessage(frame)
            #expect(message.portal.text == "p")
            #expect(message.statement.text == "s1")
            #expect(message.parameterCount == 2)
            #expect(message.parameter(0).format == .binary)
            #expect(message.parameter(0).value.map(Array.init) == [0, 0, 0, 0, 0, 0, 0, 41])
            #expect(message.parameter(1).format == .text)
            #expect(message.parameter(1).value == nil)
            #expect(message.resultFormat(column: 0) == .binary)
            #expect(message.resultFormat(column: 9) == .binary)
            var seen: [Int] = []
            message.forEachParameter { index, parameter in seen.append(parameter.value?.count ?? -index) }
            #expect(seen == [8, -1])
        }
    }

    @Test func bindIsRewrittenUnderOtherNamesAndFormats() throws {
        try reading(bind) { frame throws in
            let message = try BindMessage(frame)
            let renamed = written { queue in
                peeking(ascii("x")) { queue.writeBind(message, portal: message.portal, statement: $0) }
            }
            let values: [[UInt8]?] = [[0, 0, 0, 0, 0, 0, 0, 41], nil]
            #expect(
                renamed
                    == written {
                        $0.writeBind(
                            portal: "p", statement: "x", parameterFormats: [.binary, .text], values: values,
                            resultFormats: [.binary])
                    })
            let reformatted = written { queue in
                peeking([]) { name in
                    queue.writeBind(message, portal: name, statement: name, resultFormats: [.text, .binary])
                }
            }
            #expect(
                reformatted
                    == written {
                        $0.writeBind(
                            parameterFormats: [.binary, .text], values: values, resultFormats: [.text, .binary])
                    })
        }
    }

    @Test func bindWithOneFormatUsesItForAllParametersAndWithNoneText() throws {
        let one = written { $0.writeBind(parameterFormats: [.binary], values: [[1], [2]]) }
        try reading(one) { frame throws in #expect(try BindMessage(frame).parameterFormat(1) == .binary) }
        let none = written { $0.writeBind(values: [[1], [2]]) }
        try reading(none) { frame throws in #expect(try BindMessage(frame).parameterFormat(1) == .text) }
    }

    @Test func describeCloseAndExecuteNameTheirObjects() throws {
        let describe = written { $0.writeDescribe(.statement, name: "s1") }
        #expect(describe == captured(#"D\x00\x00\x00\x08Ss1\x00"#))
        try reading(describe) { frame throws in
            let message = try DescribeMessage(frame)
            #expect(message.kind == .statement)
            #expect(message.name.text == "s1")
        }
        let close = written { $0.writeClose(.portal, name: "") }
        #expect(close == captured(#"C\x00\x00\x00\x06P\x00"#))
        try reading(close) { frame throws in #expect(try CloseMessage(frame).kind == .portal) }
        let execute = written { $0.writeExecute(portal: "p", maximumRows: 1) }
        #expect(execute == captured(#"E\x00\x00\x00\x0ap\x00\x00\x00\x00\x01"#))
        try reading(execute) { frame throws in
            #expect(try ExecuteMessage(frame).portal.text == "p")
            #expect(try ExecuteMessage(frame).maximumRows == 1)
        }
    }

    @Test func bareAndCopyMessagesHaveTheirLetters() throws {
        let bytes = written {
            $0.writeFlush()
            $0.writeSync()
            $0.writeTerminate()
            $0.writeCopyDone()
            $0.writeCopyFail(reason: "no")
        }
        #expect(
            bytes
                == captured(
                    #"H\x00\x00\x00\x04S\x00\x00\x00\x04X\x00\x00\x00\x04c\x00\x00\x00\x04f\x00\x00\x00\x07no\x00"#))
        let data = written { queue in peeking([1, 0, 2]) { queue.writeCopyData($0) } }
        #expect(data == captured(#"d\x00\x00\x00\x07\x01\x00\x02"#))
        try reading(data) { frame throws in #expect(Array(try CopyDataMessage(frame).data) == [1, 0, 2]) }
        try reading(frame("f", #"no\x00"#)) { frame throws in #expect(try CopyFailMessage(frame).reason.text == "no") }
    }

    @Test func passwordAndSASLMessagesShareALetter() throws {
        let password = written { $0.writePassword(ascii("secret")) }
        #expect(password == captured(#"p\x00\x00\x00\x0bsecret\x00"#))
        try reading(password) { frame throws in #expect(try PasswordMessage(frame).password.text == "secret") }
        let initial = written { $0.writeSASLInitialResponse(mechanism: "SCRAM-SHA-256", response: ascii("n,,")) }
        #expect(initial == captured(#"p\x00\x00\x00\x19SCRAM-SHA-256\x00\x00\x00\x00\x03n,,"#))
        try reading(initial) { frame throws in
            #expect(try SASLInitialResponseMessage(frame).mechanism.text == "SCRAM-SHA-256")
            #expect(try SASLInitialResponseMessage(frame).response?.text == "n,,")
        }
        let response = written { $0.writeSASLResponse(ascii("c=biws")) }
        #expect(response == frame("p", "c=biws"))
        try reading(response) { frame throws in #expect(try SASLResponseMessage(frame).response.text == "c=biws") }
    }

    @Test func malformedMessagesGetPostgreSQLsWords() {
        let insufficient = "08P01: insufficient data left in message"
        #expect(violation(frame("Q", "select 1")) { try QueryMessage($0) } == "08P01: invalid string in message")
        #expect(violation(frame("Q", #"select 1\x00x"#)) { try QueryMessage($0) } == "08P01: invalid message format")
        #expect(
            violation(frame("D", #"Zx\x00"#)) { try DescribeMessage($0) }
                == "08P01: invalid DESCRIBE message subtype 90")
        #expect(violation(frame("C", #"Zx\x00"#)) { try CloseMessage($0) } == "08P01: invalid CLOSE message subtype 90")
        #expect(violation(frame("D", "")) { try DescribeMessage($0) } == "08P01: no data left in message")
        #expect(violation(frame("E", #"\x00\x00"#)) { try ExecuteMessage($0) } == insufficient)
        #expect(violation(frame("P", #"a\x00b\x00\x00\x05"#)) { try ParseMessage($0) } == insufficient)
        let short = #"\x00\x00\x00\x00\x00\x01\x00\x00\x00\x05ab"#
        #expect(violation(frame("B", short)) { try BindMessage($0) } == insufficient)
        let negative = #"\x00\x00\x00\x00\x00\x01\xff\xff\xff\xfe\x00\x00"#
        #expect(violation(frame("B", negative)) { try BindMessage($0) } == insufficient)
        let formats = #"\x00\x00\x00\x02\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"#
        #expect(
            violation(frame("B", formats)) { try BindMessage($0) }
                == "08P01: bind message has 2 parameter formats but 1 parameters")
        #expect(violation([0x51, 0, 0]) { try QueryMessage($0) } == "08P01: invalid message length")
    }
}
