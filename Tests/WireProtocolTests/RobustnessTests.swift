// Whatever bytes arrive, every reader answers or throws; none traps and none reads outside the frame. Frames are
// placed at the very end of their memory, so that the address sanitizer would see a read beyond.
import Primitives
import Testing

@testable import WireProtocol

@Suite struct RobustnessTests {
    /// Well-formed frames to mutate.
    let seeds: [[UInt8]] = [
        written { $0.writeQuery("select * from t where user_id = 42") },
        written { $0.writeParse(name: "s1", text: "select $1", parameterTypes: [20, 25]) },
        written {
            $0.writeBind(
                portal: "p", statement: "s", parameterFormats: [.binary, .text], values: [[1, 2], nil],
                resultFormats: [.binary])
        },
        written { $0.writeDescribe(.portal, name: "p") },
        written { $0.writeExecute(portal: "p", maximumRows: 3) },
        written { $0.writeSASLInitialResponse(mechanism: "SCRAM-SHA-256", response: [1, 2, 3]) },
        written { $0.writeAuthenticationSASL(mechanisms: ["A", "B"]) },
        written {
            $0.writeRowDescription([FieldDescription(name: "a", typeOID: 23), FieldDescription(name: "b", typeOID: 25)])
        },
        written { $0.writeDataRow(text: ["a", nil, "ccc"]) },
        written { $0.writeCommandComplete("INSERT 0 5") },
        written {
            $0.writeErrorResponse(DatabaseMessage(error: .syntaxError, "no", detail: "d", hint: "h", position: 3))
        },
        written { $0.writeParameterDescription([1, 2, 3]) },
        written { $0.writeCopyInResponse(format: .text, columnFormats: [.text, .binary]) },
        written { $0.writeNotificationResponse(processID: 1, channel: "c", payload: "p") },
        written { $0.writeNegotiateProtocolVersion(.init(newestVersion: .v3_0, unrecognizedOptions: ["_pq_.a"])) },
        written { $0.writeStartupMessage(StartupMessage(parameters: [.init(name: "user", value: "u")])) },
        written { $0.writeCancelRequest(CancelKey(processID: 1, secretKey: 2)) },
    ]

    @Test func mutatedFramesNeverTrapAReader() {
        let random = SeededRandomSource(seed: 0x5EED)
        var accepted = 0
        for _ in 0..<20_000 {
            let frame = mutated(seeds[Int(random.next() % UInt64(seeds.count))], random)
            accepted += readWithEverything(frame)
        }
        #expect(accepted > 1_000)
    }

    @Test func randomBytesNeverTrapAReader() {
        let random = SeededRandomSource(seed: 0xBAD)
        var accepted = 0
        for _ in 0..<10_000 { accepted += readWithEverything(random.bytes(Int(random.next() % 48))) }
        #expect(accepted > 50)
    }

    private func mutated(_ frame: [UInt8], _ random: SeededRandomSource) -> [UInt8] {
        var frame = frame
        for _ in 0...(random.next() % 4) {
            let place = frame.isEmpty ? 0 : Int(random.next() % UInt64(frame.count))
            switch random.next() % 5 {
            case 0: frame = Array(frame.prefix(place))
            case 1: frame.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
            case 2 where !frame.isEmpty: frame[place] = [0, 0xFF, 0x7F, 0x80][Int(random.next() % 4)]
            case 3 where !frame.isEmpty: frame[place] ^= 1 << UInt8(random.next() % 8)
            default: if !frame.isEmpty { frame.remove(at: place) }
            }
        }
        return frame
    }

    /// How many readers accepted the bytes.
    private func readWithEverything(_ bytes: [UInt8]) -> Int {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 1)
        defer { memory.deallocate() }
        memory.copyBytes(from: bytes)
        let frame = UnsafeRawBufferPointer(start: memory.baseAddress, count: bytes.count)
        _ = FrameScanner.frame(in: frame, at: 0, limit: 1 << 20)
        _ = StartupPacket.scan(frame)
        _ = ErrorResponseView(frame).field(DatabaseMessage.FieldCode.sqlState)
        return Self.readers.reduce(0) { $0 + ((try? $1(frame)) != nil ? 1 : 0) }
    }

    /// Every reader, with a use of every accessor.
    static let readers: [@Sendable (UnsafeRawBufferPointer) throws -> Int] = [
        { try QueryMessage($0).text.count },
        { frame in
            let message = try ParseMessage(frame)
            return (0..<message.parameterCount).reduce(0) { $0 &+ Int(message.parameterType($1)) }
        },
        { frame in
            let message = try BindMessage(frame)
            var sum = (0..<message.resultFormatCount).reduce(0) { $0 + Int(message.resultFormat(column: $1).rawValue) }
            message.forEachParameter { index, parameter in
                sum &+= message.parameter(index).value?.count ?? Int(parameter.format.rawValue)
            }
            return sum
        },
        { try DescribeMessage($0).name.count },
        { try CloseMessage($0).name.count },
        { Int(try ExecuteMessage($0).maximumRows) },
        { try PasswordMessage($0).password.count },
        { try SASLInitialResponseMessage($0).response?.count ?? 0 },
        { try SASLResponseMessage($0).response.count },
        { try CopyDataMessage($0).data.count },
        { try CopyFailMessage($0).reason.count },
        { frame in
            if case .sasl(let names) = try AuthenticationMessage(frame) { return names.count }
            return 0
        },
        { try ParameterStatusMessage($0).value.count },
        { Int(try BackendKeyDataMessage($0).key.processID) },
        { Int(try ReadyForQueryMessage($0).status.rawValue) },
        { Int(truncatingIfNeeded: try CommandCompleteMessage($0).rowCount ?? 0) },
        { try DatabaseMessage(frame: $0).fields.count },
        { frame in
            let message = try RowDescriptionMessage(frame)
            return message.fields.count + message.bytes(ofFirst: message.fieldCount).count
        },
        { frame in
            let message = try DataRowMessage(frame)
            return (0..<message.fieldCount).reduce(0) { $0 + (message.field($1)?.count ?? 0) }
        },
        { try ParameterDescriptionMessage($0).parameterTypes.count },
        { frame in
            let message = try CopyResponseMessage(frame)
            return (0..<message.columnCount).reduce(0) { $0 + Int(message.columnFormat($1).rawValue) }
        },
        { try NotificationResponseMessage($0).payload.count },
        { try NegotiateProtocolVersionMessage($0).unrecognizedOptions.count },
        { frame in
            if case .startup(let message) = try StartupPacket(frame) { return message.parameters.count }
            return 0
        },
    ]
}
