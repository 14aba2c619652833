// DatabaseMessage: errors and notices keep every field, in order, byte for byte.
import Testing

@testable import WireProtocol

@Suite struct DatabaseMessageTests {
    let unique = captured(
        #"E\x00\x00\x00\xa8SERROR\x00VERROR\x00C23505\x00Mduplicate key value violates unique constraint "t_pkey"\x00DKey (id)=(1) already exists.\x00spublic\x00tt\x00nt_pkey\x00Fnbtinsert.c\x00L664\x00R_bt_check_unique\x00\x00"#
    )
    let raised = captured(
        #"E\x00\x00\x00\x85SERROR\x00VERROR\x00CP0001\x00Mboom 1\x00WPL/pgSQL function inline_code_block line 1 at RAISE\x00sss\x00ccc\x00ddd\x00Fpl_exec.c\x00L3891\x00Rexec_stmt_raise\x00\x00"#
    )
    let notice = captured(
        #"N\x00\x00\x00~SNOTICE\x00VNOTICE\x00C00000\x00Mh\xc3\xa9\x00Dd\x00Hh\x00WPL/pgSQL function inline_code_block line 1 at RAISE\x00Fpl_exec.c\x00L3891\x00Rexec_stmt_raise\x00\x00"#
    )

    @Test func everyFieldOfARealErrorIsRead() throws {
        let message = try reading(unique) { try DatabaseMessage(frame: $0) }
        #expect(message.severity == .error)
        #expect(message.sqlState == .uniqueViolation)
        #expect(message.message == #"duplicate key value violates unique constraint "t_pkey""#)
        #expect(message.detail == "Key (id)=(1) already exists.")
        #expect(message.schemaName == "public")
        #expect(message.tableName == "t")
        #expect(message.constraintName == "t_pkey")
        #expect(message.file == "nbtinsert.c")
        #expect(message.line == 664)
        #expect(message.routine == "_bt_check_unique")
        #expect(message.hint == nil)
        #expect(written { $0.writeErrorResponse(message) } == unique)
        let other = try reading(raised) { try DatabaseMessage(frame: $0) }
        #expect(other.sqlState == .raiseException)
        #expect(other.context == "PL/pgSQL function inline_code_block line 1 at RAISE")
        #expect([other.schemaName, other.columnName, other.dataTypeName] == ["ss", "cc", "dd"])
        #expect(written { $0.writeErrorResponse(other) } == raised)
    }

    @Test func aNoticeIsTheSameUnderAnotherLetter() throws {
        let message = try reading(notice) { try DatabaseMessage(frame: $0) }
        #expect(message.severity == .notice)
        #expect(message.message == "hé")
        #expect(written { $0.writeNoticeResponse(message) } == notice)
    }

    @Test func unknownFieldsAndForeignEncodingsSurviveAnEdit() throws {
        let bytes = frame("E", #"SFEHLER\x00VERROR\x00C42601\x00M\xfcber\x00zfuture\x00Rr\x00\x00"#)
        var message = try reading(bytes) { try DatabaseMessage(frame: $0) }
        message.position = 12
        #expect(
            written { $0.writeErrorResponse(message) }
                == frame("E", #"SFEHLER\x00VERROR\x00C42601\x00M\xfcber\x00P12\x00zfuture\x00Rr\x00\x00"#))
        message.position = nil
        #expect(written { $0.writeErrorResponse(message) } == bytes)
    }

    @Test func ownMessagesHaveTheFieldsOfPostgreSQLs() {
        let message = DatabaseMessage(
            error: .featureNotSupported, "cannot", detail: "why", hint: "how", position: 7)
        #expect(
            written { $0.writeErrorResponse(message) }
                == frame("E", #"SERROR\x00VERROR\x00C0A000\x00Mcannot\x00Dwhy\x00Hhow\x00P7\x00\x00"#))
        #expect(DatabaseMessage(fatal: .adminShutdown, "bye").severity == .fatal)
        #expect(DatabaseMessage(notice: .warning, .warning, "careful").severity.rawValue == "WARNING")
        #expect(ProtocolViolation.invalidFormat.asFatal.message == "invalid message format")
    }

    @Test func aZeroByteInATextCannotBreakTheFrame() {
        let message = DatabaseMessage(error: .syntaxError, "near \"a\0b\"")
        #expect(
            written { $0.writeErrorResponse(message) }
                == frame("E", #"SERROR\x00VERROR\x00C42601\x00Mnear "a\x00\x00"#))
    }

    @Test func theViewFindsFieldsWithoutCopying() {
        peeking(unique) { frame in
            let view = ErrorResponseView(frame)
            #expect(view.field(DatabaseMessage.FieldCode.sqlState)?.text == "23505")
            #expect(view.field(DatabaseMessage.FieldCode.routine)?.text == "_bt_check_unique")
            #expect(view.field(DatabaseMessage.FieldCode.hint) == nil)
        }
        peeking(frame("E", "Sx")) { #expect(ErrorResponseView($0).field(0x53) == nil) }
    }

    @Test func errorsWithoutAnEndAreRefused() {
        #expect(
            violation(frame("E", #"Sx\x00"#)) { try DatabaseMessage(frame: $0) } == "08P01: no data left in message")
        #expect(violation(frame("E", "Sx")) { try DatabaseMessage(frame: $0) } == "08P01: invalid string in message")
        #expect(
            violation(frame("E", #"\x00\x00"#)) { try DatabaseMessage(frame: $0) } == "08P01: invalid message format")
    }
}
