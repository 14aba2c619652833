// Row hashes that PostgreSQL 15 gave (hash_combine64 of hashint8extended, hashtextextended and uuid_hash_extended).
import Testing

@testable import ShardMap

@Suite struct PartitionHashTests {
    @Test(
        arguments: [
            (0, 901_916_981_443_598_768), (1, 11_274_504_255_086_170_040), (-1, 288_437_243_775_528_869),
            (2, 16_968_177_202_474_426_746), (5, 2_465_103_569_513_362_205), (42, 12_669_485_132_091_644_514),
            (12345, 8_781_872_651_032_234_316), (-32768, 11_190_752_103_532_758_141),
            (2_147_483_647, 17_701_988_066_039_669_119), (-2_147_483_648, 10_244_051_894_435_199_606),
            (4_294_967_296, 11_274_504_255_086_170_040), (Int64.max, 10_244_051_894_435_199_606),
            (Int64.min, 17_701_988_066_039_669_119),
        ] as [(Int64, UInt64)])
    func anIntegerHashesAsInPostgreSQL(key: Int64, rowHash: UInt64) {
        #expect(PartitionHash.rowHash(integer: key) == rowHash)
    }

    @Test(
        arguments: [
            ("", 18_051_608_080_690_800_806), ("a", 17_047_028_206_024_085_342), ("alice", 6_935_103_486_496_203_733),
            ("elevenbytes", 8_839_779_013_763_867_940), ("twelve bytes", 6_856_511_610_286_138_646),
            ("thirteenbytes", 10_114_439_296_444_960_032), ("日本語", 15_701_977_905_405_603_006),
            ("a somewhat longer key of more than 24 bytes", 13_881_223_765_168_955_837),
        ] as [(String, UInt64)])
    func textHashesAsInPostgreSQL(key: String, rowHash: UInt64) {
        let hash = Array(key.utf8).withUnsafeBytes { PartitionHash.rowHash(bytes: $0) }
        #expect(hash == rowHash)
    }

    @Test(
        arguments: [
            ("00000000-0000-0000-0000-000000000000", 24_427_445_038_037_925),
            ("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", 5_730_022_782_425_327_056),
            ("ffffffff-ffff-ffff-ffff-ffffffffffff", 5_156_523_127_093_460_353),
        ] as [(String, UInt64)])
    func aUUIDHashesAsInPostgreSQL(key: String, rowHash: UInt64) throws {
        let uuid = try Array(key.utf8).withUnsafeBytes { try KeyType.uuid(text: $0) }
        #expect(uuid.withBytes { PartitionHash.rowHash(bytes: $0) } == rowHash)
        #expect(uuid.text == key)
    }
}
