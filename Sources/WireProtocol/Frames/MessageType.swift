// The first byte of every frame (PostgreSQL manual, section 55.7). Plain UInt8 constants, so that a switch over a
// frame's type compiles to a jump and nothing else. Several letters mean different messages in the two directions.

/// Types of frames a client sends.
public enum FrontendMessageType {
    @inlinable public static var query: UInt8 { UInt8(ascii: "Q") }
    @inlinable public static var parse: UInt8 { UInt8(ascii: "P") }
    @inlinable public static var bind: UInt8 { UInt8(ascii: "B") }
    @inlinable public static var describe: UInt8 { UInt8(ascii: "D") }
    @inlinable public static var execute: UInt8 { UInt8(ascii: "E") }
    @inlinable public static var close: UInt8 { UInt8(ascii: "C") }
    @inlinable public static var flush: UInt8 { UInt8(ascii: "H") }
    @inlinable public static var sync: UInt8 { UInt8(ascii: "S") }
    @inlinable public static var functionCall: UInt8 { UInt8(ascii: "F") }
    @inlinable public static var copyData: UInt8 { UInt8(ascii: "d") }
    @inlinable public static var copyDone: UInt8 { UInt8(ascii: "c") }
    @inlinable public static var copyFail: UInt8 { UInt8(ascii: "f") }
    @inlinable public static var terminate: UInt8 { UInt8(ascii: "X") }
    /// PasswordMessage, SASLInitialResponse, SASLResponse and GSSResponse share this letter.
    @inlinable public static var password: UInt8 { UInt8(ascii: "p") }

    /// Bytes of a whole frame PostgreSQL accepts for messages that need not be large (PQ_SMALL_MESSAGE_LIMIT).
    public static let smallFrameBytes = 10_001

    /// The largest whole frame to accept for a type, or nil for a type no client may send after authentication
    /// (SocketBackend in postgres.c: FATAL 08P01 "invalid frontend message type %d").
    @inlinable
    public static func frameLimit(_ type: UInt8, largeFrameBytes: Int) -> Int? {
        switch type {
        case query, parse, bind, copyData, functionCall: return largeFrameBytes
        case describe, execute, close, flush, sync, copyDone, copyFail, terminate: return smallFrameBytes
        default: return nil
        }
    }
}

/// Types of frames a server sends.
public enum BackendMessageType {
    @inlinable public static var authentication: UInt8 { UInt8(ascii: "R") }
    @inlinable public static var backendKeyData: UInt8 { UInt8(ascii: "K") }
    @inlinable public static var bindComplete: UInt8 { UInt8(ascii: "2") }
    @inlinable public static var closeComplete: UInt8 { UInt8(ascii: "3") }
    @inlinable public static var commandComplete: UInt8 { UInt8(ascii: "C") }
    @inlinable public static var copyData: UInt8 { UInt8(ascii: "d") }
    @inlinable public static var copyDone: UInt8 { UInt8(ascii: "c") }
    @inlinable public static var copyInResponse: UInt8 { UInt8(ascii: "G") }
    @inlinable public static var copyOutResponse: UInt8 { UInt8(ascii: "H") }
    @inlinable public static var copyBothResponse: UInt8 { UInt8(ascii: "W") }
    @inlinable public static var dataRow: UInt8 { UInt8(ascii: "D") }
    @inlinable public static var emptyQueryResponse: UInt8 { UInt8(ascii: "I") }
    @inlinable public static var errorResponse: UInt8 { UInt8(ascii: "E") }
    @inlinable public static var functionCallResponse: UInt8 { UInt8(ascii: "V") }
    @inlinable public static var negotiateProtocolVersion: UInt8 { UInt8(ascii: "v") }
    @inlinable public static var noData: UInt8 { UInt8(ascii: "n") }
    @inlinable public static var noticeResponse: UInt8 { UInt8(ascii: "N") }
    @inlinable public static var notificationResponse: UInt8 { UInt8(ascii: "A") }
    @inlinable public static var parameterDescription: UInt8 { UInt8(ascii: "t") }
    @inlinable public static var parameterStatus: UInt8 { UInt8(ascii: "S") }
    @inlinable public static var parseComplete: UInt8 { UInt8(ascii: "1") }
    @inlinable public static var portalSuspended: UInt8 { UInt8(ascii: "s") }
    @inlinable public static var readyForQuery: UInt8 { UInt8(ascii: "Z") }
    @inlinable public static var rowDescription: UInt8 { UInt8(ascii: "T") }
}
