// Messages of a server, as PostgreSQL 15 sent them on a loopback connection: readers understand them, writers
// write the same bytes again.
import Testing

@testable import WireProtocol

@Suite struct BackendMessageTests {
    let rowDescription = captured(
        #"T\x00\x00\x00F\x00\x03id\x00\x00\x00@\x04\x00\x01\x00\x00\x00\x14\x00\x08\xff\xff\xff\xff\x00\x00name\x00\x00\x00@\x04\x00\x02\x00\x00\x04\x13\xff\xff\x00\x00\x00\x0e\x00\x00v\x00\x00\x00@\x04\x00\x03\x00\x00\x06\xa4\xff\xff\x00\n\x00\x06\x00\x00"#
    )
    let dataRow = captured(#"D\x00\x00\x00\x18\x00\x03\x00\x00\x00\x012\xff\xff\xff\xff\x00\x00\x00\x05-2.00"#)

    @Test func authenticationRequestsAreToldApart() throws {
        func name(_ bytes: [UInt8]) throws -> String {
            try reading(bytes) { "\(try AuthenticationMessage($0))" }
        }
        let ok = captured(#"R\x00\x00\x00\x08\x00\x00\x00\x00"#)
        #expect(try name(ok) == "ok")
        #expect(written { $0.writeAuthenticationOk() } == ok)
        #expect(try name(written { $0.writeAuthenticationCleartextPassword() }) == "cleartextPassword")
        #expect(
            try name(written { $0.writeAuthenticationMD5Password(salt: [1, 2, 3, 4]) })
                == "md5Password(salt: [1, 2, 3, 4])")
        let sasl = captured(#"R\x00\x00\x00\x17\x00\x00\x00\nSCRAM-SHA-256\x00\x00"#)
        #expect(try name(sasl) == #"sasl(mechanisms: ["SCRAM-SHA-256"])"#)
        #expect(written { $0.writeAuthenticationSASL(mechanisms: ["SCRAM-SHA-256"]) } == sasl)
        #expect(try name(frame("R", #"\x00\x00\x00\x07"#)) == "unsupported(7)")
        try reading(written { $0.writeAuthenticationSASLContinue(ascii("r=x")) }) { frame throws in
            guard case .saslContinue(let data) = try AuthenticationMessage(frame) else {
                Issue.record("not a continuation")
                return
            }
            #expect(data.text == "r=x")
        }
        try reading(written { $0.writeAuthenticationSASLFinal(ascii("v=y")) }) { frame throws in
            guard case .saslFinal(let data) = try AuthenticationMessage(frame) else {
                Issue.record("not a final message")
                return
            }
            #expect(data.text == "v=y")
        }
    }

    @Test func theSessionsStateIsReadAndWritten() throws {
        let status = captured(#"S\x00\x00\x00\x17DateStyle\x00ISO, MDY\x00"#)
        try reading(status) { frame throws in
            #expect(try ParameterStatusMessage(frame).name.text == "DateStyle")
            #expect(try ParameterStatusMessage(frame).value.text == "ISO, MDY")
        }
        #expect(written { $0.writeParameterStatus(name: "DateStyle", value: "ISO, MDY") } == status)
        let keyData = captured(#"K\x00\x00\x00\x0c\x00\x00(&\x86%D_"#)
        let key = CancelKey(processID: 10_278, secretKey: Int32(bitPattern: 0x8625_445F))
        #expect(try reading(keyData) { try BackendKeyDataMessage($0).key } == key)
        #expect(written { $0.writeBackendKeyData(key) } == keyData)
        for status in [TransactionStatus.idle, .inTransaction, .failed] {
            let bytes = written { $0.writeReadyForQuery(status) }
            #expect(try reading(bytes) { try ReadyForQueryMessage($0).status } == status)
        }
        #expect(written { $0.writeReadyForQuery(.idle) } == captured(#"Z\x00\x00\x00\x05I"#))
        #expect(violation(frame("Z", "X")) { try ReadyForQueryMessage($0) } == "08P01: invalid message format")
    }

    @Test func rowDescriptionGivesItsFields() throws {
        let fields = try reading(rowDescription) { try RowDescriptionMessage($0).fields }
        #expect(
            fields == [
                FieldDescription(name: "id", tableOID: 16388, columnNumber: 1, typeOID: 20, typeSize: 8),
                FieldDescription(name: "name", tableOID: 16388, columnNumber: 2, typeOID: 1043, typeModifier: 14),
                FieldDescription(
                    name: "v", tableOID: 16388, columnNumber: 3, typeOID: 1700, typeModifier: 10 << 16 | 6),
            ])
        #expect(written { $0.writeRowDescription(fields) } == rowDescription)
    }

    @Test func hiddenColumnsAreCutFromDescriptionAndRow() throws {
        try reading(rowDescription) { frame throws in
            let message = try RowDescriptionMessage(frame)
            #expect(
                written { $0.writeRowDescription(from: message, keepingFirst: 2) }
                    == written { $0.writeRowDescription(Array(message.fields.prefix(2))) })
            #expect(written { $0.writeRowDescription(from: message, keepingFirst: 3) } == rowDescription)
            #expect(written { $0.writeRowDescription(from: message, keepingFirst: 0) } == self.emptyDescription)
        }
        try reading(dataRow) { frame throws in
            let message = try DataRowMessage(frame)
            #expect(
                written { $0.writeDataRow(from: message, keepingFirst: 2) }
                    == written { $0.writeDataRow(text: ["2", nil]) })
            #expect(written { $0.writeDataRow(from: message, keepingFirst: 3) } == dataRow)
        }
    }

    let emptyDescription = captured(#"T\x00\x00\x00\x06\x00\x00"#)

    @Test func dataRowGivesItsFields() throws {
        try reading(dataRow) { frame throws in
            let message = try DataRowMessage(frame)
            #expect(message.fieldCount == 3)
            #expect(message.field(0)?.text == "2")
            #expect(message.field(1) == nil)
            #expect(message.field(2)?.text == "-2.00")
            var texts: [String?] = []
            message.forEachField { _, field in texts.append(field?.text) }
            #expect(texts == ["2", nil, "-2.00"])
        }
        #expect(written { $0.writeDataRow([ascii("2"), nil, ascii("-2.00")]) } == dataRow)
        #expect(written { $0.writeDataRow(text: ["2", nil, "-2.00"]) } == dataRow)
    }

    @Test(
        arguments: [
            ("INSERT 0 2", "INSERT 0", 2), ("SELECT 10", "SELECT", 10), ("COPY 0", "COPY", 0),
            ("UPDATE 18446744073709551615", "UPDATE", UInt64.max), ("CREATE TABLE", "CREATE TABLE", nil),
            ("BEGIN", "BEGIN", nil), ("", "", nil), ("7", "7", nil), (" 7", " 7", nil), ("SELECT ", "SELECT ", nil),
        ] as [(String, String, UInt64?)])
    func tagsEndInTheirRowCount(_ tag: String, _ command: String, _ rows: UInt64?) throws {
        let bytes = written { $0.writeCommandComplete(tag) }
        try reading(bytes) { frame throws in
            let message = try CommandCompleteMessage(frame)
            #expect(message.tag.text == tag)
            #expect(message.command.text == command)
            #expect(message.rowCount == rows)
            guard let rows else { return }
            #expect(written { $0.writeCommandComplete(command: message.command, rowCount: rows) } == bytes)
        }
    }

    @Test func aRowCountBeyond64BitsIsNoNumber() throws {
        try reading(written { $0.writeCommandComplete("SELECT 18446744073709551616") }) { frame throws in
            #expect(try CommandCompleteMessage(frame).rowCount == nil)
        }
        #expect(
            written { $0.writeCommandComplete(command: "INSERT 0", rowCount: 2) }
                == captured(#"C\x00\x00\x00\x0fINSERT 0 2\x00"#))
    }

    @Test func parameterDescriptionCopyAndNotificationAreRead() throws {
        let parameters = captured(#"t\x00\x00\x00\x0e\x00\x02\x00\x00\x00\x14\x00\x00\x00\x19"#)
        #expect(try reading(parameters) { try ParameterDescriptionMessage($0).parameterTypes } == [20, 25])
        #expect(written { $0.writeParameterDescription([20, 25]) } == parameters)
        let copyOut = captured(#"H\x00\x00\x00\r\x01\x00\x03\x00\x01\x00\x01\x00\x01"#)
        try reading(copyOut) { frame throws in
            let message = try CopyResponseMessage(frame)
            #expect(message.format == .binary)
            #expect((0..<message.columnCount).map(message.columnFormat) == [.binary, .binary, .binary])
        }
        #expect(
            written { $0.writeCopyOutResponse(format: .binary, columnFormats: [.binary, .binary, .binary]) } == copyOut)
        let copyIn = captured(#"G\x00\x00\x00\r\x00\x00\x03\x00\x00\x00\x00\x00\x00"#)
        #expect(written { $0.writeCopyInResponse(format: .text, columnFormats: [.text, .text, .text]) } == copyIn)
        #expect(written { $0.writeCopyBothResponse(format: .text, columnFormats: []) } == frame("W", #"\x00\x00\x00"#))
        let notification = captured(#"A\x00\x00\x00\x0f\x00\x00(&ch\x00pay\x00"#)
        try reading(notification) { frame throws in
            let message = try NotificationResponseMessage(frame)
            #expect(message.processID == 10_278)
            #expect(message.channel.text == "ch")
            #expect(message.payload.text == "pay")
        }
        #expect(
            written { $0.writeNotificationResponse(processID: 10_278, channel: "ch", payload: "pay") } == notification)
    }

    @Test func bareMessagesHaveTheirLetters() {
        let bytes = written {
            $0.writeParseComplete()
            $0.writeBindComplete()
            $0.writeCloseComplete()
            $0.writeNoData()
            $0.writePortalSuspended()
            $0.writeEmptyQueryResponse()
        }
        let letters = stride(from: 0, to: bytes.count, by: 5).map { bytes[$0] }
        #expect(letters == ascii("123nsI"))
        #expect(Array(bytes.prefix(5)) == captured(#"1\x00\x00\x00\x04"#))
    }
}
