// The proxy's placement against PostgreSQL's: satisfies_hash_partition must say the same for thousands of values.
import ShardMap
import TestSupport
import Testing

@Suite struct PartitionHashServerTests {
    /// Divisors of 5,040. As 16, 9, 5 and 7 are coprime with product 5,040, agreeing on these is agreeing on the
    /// whole bucket; the others are there because users have that many shards.
    static let moduli = [16, 9, 5, 7, 2, 3, 4, 6, 8, 10]

    @Test func postgreSQLFindsEveryKeyInTheBucketThatTheProxyFinds() throws {
        let server = try TemporaryPostgreSQL()
        defer { server.stop() }
        var disagreements: [String] = []
        var compared = 0
        for (type, keyType) in [
            ("int2", KeyType.int2), ("int4", .int4), ("int8", .int8), ("text", .text), ("varchar", .text),
            ("uuid", .uuid),
        ] {
            let rows = try server.psql(Self.script(type: type))
            for row in rows {
                let (hexadecimal, answers) = (try #require(row[0]), try #require(row[1]))
                let bytes = Self.bytes(hexadecimal: hexadecimal)
                let bucket = try bytes.withUnsafeBytes { text in
                    try Self.bucket(keyType.value(text: text))
                }
                compared += 1
                for (modulus, answer) in zip(Self.moduli, answers.split(separator: " "))
                where "\(bucket % modulus)" != answer {
                    disagreements.append("\(type) \(hexadecimal): \(bucket) modulo \(modulus) is \(answer)")
                }
            }
        }
        #expect(disagreements == [])
        #expect(compared == 6 * 1_010)
    }

    static func bucket(_ key: KeyValue) -> Int {
        switch key {
        case .integer(let value): PartitionHash.bucket(rowHash: PartitionHash.rowHash(integer: value))
        case .text(let bytes):
            bytes.withUnsafeBytes { PartitionHash.bucket(rowHash: PartitionHash.rowHash(bytes: $0)) }
        case .uuid(let value): value.withBytes { PartitionHash.bucket(rowHash: PartitionHash.rowHash(bytes: $0)) }
        }
    }

    /// Prints 1,010 keys as the hexadecimal of their text, each with its remainder for every modulus. The remainder
    /// is found as the one r for which satisfies_hash_partition holds.
    static func script(type: String) -> String {
        """
        CREATE TABLE parent_\(type) (key \(type)) PARTITION BY HASH (key);
        CREATE TABLE keys_\(type) (key \(type));
        INSERT INTO keys_\(type) \(Self.edges(type));
        INSERT INTO keys_\(type) SELECT \(Self.randomKey(type)) FROM generate_series(1, 1000) i;
        SELECT encode(convert_to(key::text, 'UTF8'), 'hex'), (
            SELECT string_agg((
                SELECT min(r)::text FROM generate_series(0, n - 1) r
                WHERE satisfies_hash_partition('parent_\(type)'::regclass, n, r, key)), ' ' ORDER BY place)
            FROM unnest('{\(moduli.map(String.init).joined(separator: ","))}'::int[]) WITH ORDINALITY m(n, place))
        FROM keys_\(type);
        """
    }

    /// Ten keys at the edges of each type.
    static func edges(_ type: String) -> String {
        switch type {
        case "int2": "SELECT unnest('{0,1,-1,2,-2,127,128,-32768,32767,255}'::int2[])"
        case "int4": "SELECT unnest('{0,1,-1,2,-2,32768,65536,-2147483648,2147483647,-65536}'::int4[])"
        case "int8":
            "SELECT unnest('{0,1,-1,2147483648,-2147483649,4294967296,-4294967296,9223372036854775807,-9223372036854775808,-4294967295}'::int8[])"
        case "uuid":
            "SELECT lpad(to_hex(i), 32, '0')::uuid FROM generate_series(1, 8) i UNION ALL SELECT repeat('f', 32)::uuid UNION ALL SELECT repeat('0', 32)::uuid"
        default:
            "SELECT unnest(ARRAY['', ' ', 'a', 'é', '日本語', 'elevenbytes', 'twelve bytes', 'thirteenbytes', repeat('x', 5000), E'\\ttab \\U0001F600'])"
        }
    }

    static func randomKey(_ type: String) -> String {
        switch type {
        case "int2": "(random() * 65535 - 32768)::int2"
        case "int4": "(random() * 4294967295 - 2147483648)::int4"
        case "int8": "(('x' || substr(md5(random()::text || i), 1, 16))::bit(64))::int8"
        case "uuid": "gen_random_uuid()"
        default:
            "(SELECT string_agg(chr((random() * 700 + 33)::int), '') FROM generate_series(1, i % 40 + 1))"
        }
    }

    static func bytes(hexadecimal: String) -> [UInt8] {
        let digits = Array(hexadecimal)
        return stride(from: 0, to: digits.count, by: 2).compactMap { UInt8(String(digits[$0...($0 + 1)]), radix: 16) }
    }
}
