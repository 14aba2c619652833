// FrameScanner: headers are found early, whole frames when they are whole, and lies about length are seen.
import Testing

@testable import WireProtocol

@Suite struct FrameScannerTests {
    let stream = captured(#"Z\x00\x00\x00\x05IC\x00\x00\x00\x09DONE\x00"#)

    @Test func framesFollowEachOther() {
        let types = peeking(stream) { bytes in
            var offset = 0
            var seen: [FrameHeader] = []
            while case .frame(let header) = FrameScanner.frame(in: bytes, at: offset, limit: 100) {
                seen.append(header)
                offset += header.length
            }
            return seen
        }
        #expect(types == [FrameHeader(type: UInt8(ascii: "Z"), length: 6), FrameHeader(type: 0x43, length: 10)])
    }

    @Test func aHeaderIsKnownBeforeItsBodyArrives() {
        let start = Array(stream.prefix(5))
        #expect(
            peeking(start) { FrameScanner.header(in: $0, at: 0, limit: 100) }
                == .frame(FrameHeader(type: 0x5A, length: 6)))
        #expect(peeking(start) { FrameScanner.frame(in: $0, at: 0, limit: 100) } == .incomplete)
        #expect(peeking(Array(start.prefix(4))) { FrameScanner.header(in: $0, at: 0, limit: 100) } == .incomplete)
        #expect(peeking([]) { FrameScanner.header(in: $0, at: 0, limit: 100) } == .incomplete)
    }

    @Test(arguments: [#"Q\x00\x00\x00\x03"#, #"Q\xff\xff\xff\xff"#, #"Q\x80\x00\x00\x00"#, #"Q\x00\x00\x00\x64"#])
    func lengthsBelowFourOrAboveTheLimitAreViolations(_ literal: String) {
        let scan = peeking(captured(literal)) { FrameScanner.header(in: $0, at: 0, limit: 100) }
        guard case .violation = scan else {
            Issue.record("\(literal) was accepted as \(scan)")
            return
        }
    }

    @Test func aFrameOfExactlyTheLimitIsAccepted() {
        let scan = peeking(captured(#"Q\x00\x00\x00\x63"#)) { FrameScanner.header(in: $0, at: 0, limit: 100) }
        #expect(scan == .frame(FrameHeader(type: 0x51, length: 100)))
    }

    @Test func smallMessagesHaveASmallLimit() {
        #expect(FrontendMessageType.frameLimit(FrontendMessageType.query, largeFrameBytes: 1 << 20) == 1 << 20)
        #expect(FrontendMessageType.frameLimit(FrontendMessageType.sync, largeFrameBytes: 1 << 20) == 10_001)
        #expect(FrontendMessageType.frameLimit(UInt8(ascii: "!"), largeFrameBytes: 1 << 20) == nil)
        #expect(FrontendMessageType.frameLimit(FrontendMessageType.password, largeFrameBytes: 1 << 20) == nil)
    }
}
