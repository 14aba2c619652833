// Names and gids: what goes in comes out, and nothing else is taken for ours.
import Testing

@testable import DistributedCommit

@Suite struct IdentifierTests {
    @Test(arguments: ["a", "shard-1", "0", String(repeating: "x", count: 63)])
    func aNameOfSmallLettersDigitsAndHyphensIsAccepted(text: String) throws {
        #expect(try ShardIdentifier(text).text == text)
    }

    @Test(arguments: ["", "A", "a:b", "a b", "é", "a_b", "a'", String(repeating: "x", count: 64)])
    func anyOtherNameIsRefused(text: String) {
        #expect(throws: IdentifierError(text: text)) { try ShardIdentifier(text) }
    }

    @Test func anInstancesLockKeyIsTheFNV1aOfItsName() throws {
        #expect(try InstanceIdentifier("a").lockKey == Int32(bitPattern: 0xE40C_292C))
    }

    @Test func aHashReadsBackFromItsDigitsAndFromItsBytes() throws {
        let hash = TransactionHash(high: 0x0123_4567_89ab_cdef, low: 0xfedc_ba98_7654_3210)
        #expect(hash.description == "0123456789abcdeffedcba9876543210")
        #expect(TransactionHash(hexadecimal: hash.description) == hash)
        #expect(TransactionHash(bytes: [1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10]) == hash)
        #expect(TransactionHash(bytes: [1, 2, 3]) == nil)
        #expect(TransactionHash(hexadecimal: "0123456789ABCDEFFEDCBA9876543210") == nil)
        #expect(TransactionHash(hexadecimal: "0123456789abcdeffedcba987654321") == nil)
    }
}

@Suite struct GlobalTransactionIdentifierTests {
    static func gid(cluster: String = "c1", instance: String = "i9", decider: String = "s0", participant: String = "s1")
        throws -> GlobalTransactionIdentifier
    {
        try GlobalTransactionIdentifier(
            cluster: ClusterIdentifier(cluster), instance: InstanceIdentifier(instance),
            decider: ShardIdentifier(decider), hash: TransactionHash(high: 1, low: 2),
            participant: ShardIdentifier(participant))
    }

    static let text = "pgbraid:c1:i9:s0:00000000000000010000000000000002:s1"

    @Test func aGidIsItsPartsJoinedByColonsAndReadsBack() throws {
        let gid = try Self.gid()
        #expect(gid.description == Self.text)
        #expect(GlobalTransactionIdentifier(parsing: Self.text) == gid)
    }

    @Test func aGidHasAtMost199Bytes() throws {
        let name = String(repeating: "x", count: 63)
        let fits = try Self.gid(cluster: name, instance: name, decider: "12345678901234567890123456", participant: "abc")
        #expect(fits.description.utf8.count == 199)
        #expect(GlobalTransactionIdentifier(parsing: fits.description) == fits)
        #expect(throws: GlobalTransactionIdentifier.TooLong(bytes: 200)) {
            try Self.gid(cluster: name, instance: name, decider: "12345678901234567890123456", participant: "abcd")
        }
    }

    @Test(arguments: [
        "", "pgbraid", "my-own-gid", text + ":", text + " ", " " + text, text + ":x",
        "PGBRAID:c1:i9:s0:00000000000000010000000000000002:s1",
        "pgbraid::i9:s0:00000000000000010000000000000002:s1",
        "pgbraid:c1:i9:s0:0000000000000001000000000000000:s1",
        "pgbraid:c1:i9:s0:0000000000000001000000000000000g:s1",
        "pgbraid:c1:i9:S0:00000000000000010000000000000002:s1",
        "pgbraid:c1:i9:s0:00000000000000010000000000000002:",
    ])
    func anythingElseIsForeign(text: String) {
        #expect(GlobalTransactionIdentifier(parsing: text) == nil)
    }
}

@Suite struct CommitProtocolTests {
    @Test func oneWriterNeedsNoTwoPhases() {
        #expect([0, 1, 2, 7].map(CommitProtocol.choose(writers:)) == [.none, .onePhase, .twoPhase, .twoPhase])
    }

    @Test func theFirstWriterDecidesUnlessAnotherCannotBePrepared() throws {
        #expect(try CommitProtocol.decider(among: [.read, .wrote(nil), .wrote(nil)]) == 1)
        #expect(try CommitProtocol.decider(among: [.wrote(nil), .read, .wrote(.temporaryObjects)]) == 2)
        #expect(try CommitProtocol.decider(among: [.wrote(.heldCursors), .wrote(nil)]) == 0)
    }

    @Test func twoWritersThatCannotBePreparedAreRefused() {
        let refusal = DeciderRefusal(
            first: 0, firstObstacle: .notifications, second: 2, secondObstacle: .preparedTransactionsDisabled)
        #expect(throws: refusal) {
            try CommitProtocol.decider(
                among: [.wrote(.notifications), .wrote(nil), .wrote(.preparedTransactionsDisabled)])
        }
    }
}
