// One server's OIDs put in the place of another's, in values and in the messages around them.
import Testing

@testable import WireProtocol

@Suite struct TypeOIDTests {
    /// mood 20001 (its array 20002), spot (mood, int) 20003 (its array 20004), a range over spot 20005, its multirange 20006, a domain over the array
    /// of mood 20007, and 20008, which the other server does not have; there each has 10000 more.
    private let map = TypeOIDMap(
        numbers: Dictionary(uniqueKeysWithValues: (20001...20007).map { ($0, $0 + 10000) }),
        shapes: [
            20001: .plain, 20002: .array, 20003: .record, 20004: .array, 20005: .range(subtype: 20003), 20006: .multirange(range: 20005),
            20007: .domain(base: 20002), 20008: .plain,
        ])

    private func number(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

    private func value(_ bytes: [UInt8]?) -> [UInt8] { bytes.map { number(UInt32($0.count)) + $0 } ?? number(.max) }

    private func array(_ element: UInt32, _ values: [[UInt8]?]) -> [UInt8] {
        number(1) + number(1) + number(element) + number(UInt32(values.count)) + number(1) + values.flatMap { value($0) }
    }

    private func record(_ columns: [(UInt32, [UInt8]?)]) -> [UInt8] {
        number(UInt32(columns.count)) + columns.flatMap { number($0.0) + value($0.1) }
    }

    private func range(_ bounds: [[UInt8]]) -> [UInt8] { [2] + bounds.flatMap { value($0) } }

    private let sad = Array("sad".utf8)

    /// A spot with the OIDs of the server that has `more` on top.
    private func spot(_ more: UInt32) -> [UInt8] { record([(20001 + more, sad), (23, number(7)), (20002 + more, nil)]) }

    /// Values as the one server and the other write them.
    private var pairs: [(type: UInt32, known: [UInt8], other: [UInt8])] {
        func each(_ type: UInt32, _ make: (UInt32) -> [UInt8]) -> (UInt32, [UInt8], [UInt8]) { (type, make(0), make(10000)) }
        return [
            each(20001) { _ in sad },
            each(20002) { more in array(20001 + more, [sad, nil]) },
            each(20003) { more in spot(more) },
            each(20004) { more in array(20003 + more, [spot(more), nil, spot(more)]) },
            each(20005) { more in range([spot(more), spot(more)]) },
            each(20006) { more in number(1) + value(range([spot(more)])) },
            each(20007) { more in array(20001 + more, [sad]) },
            each(2249) { more in record([(25, sad), (20004 + more, array(20003 + more, [spot(more)])), (1007, array(23, [number(9)]))]) },
            each(2287) { more in array(2249, [record([(20003 + more, spot(more))])]) },
            each(1007) { _ in array(23, [number(20001)]) },
            each(17) { _ in spot(0) },
        ]
    }

    @Test func valuesOfRowsAreTranslatedWhereTheyHoldOIDs() throws {
        for pair in pairs {
            var row = written { $0.writeDataRow([nil, pair.known, Array("x".utf8)]) }
            let columns = [CarrierColumn(index: 0, type: 20002), CarrierColumn(index: 1, type: pair.type)]
            try row.withUnsafeMutableBytes { try map.rewriteDataRow($0, columns) }
            #expect(row == written { $0.writeDataRow([nil, pair.other, Array("x".utf8)]) }, "type \(pair.type)")
        }
    }

    @Test func aValueOfATypeThatIsNotThereIsNotTranslated() {
        var row = written { $0.writeDataRow([array(20008, [sad])]) }
        #expect(throws: UnmappedType(oid: 20008)) {
            try row.withUnsafeMutableBytes { try map.rewriteDataRow($0, [CarrierColumn(index: 0, type: 20002)]) }
        }
    }

    @Test func descriptionsNameTypesAndTablesOfTheOtherServer() throws {
        func fields(_ more: UInt32) -> [FieldDescription] {
            [
                FieldDescription(name: "a", tableOID: 21000 + more, columnNumber: 1, typeOID: 20002 + more, format: .binary),
                FieldDescription(name: "b", tableOID: more == 0 ? 21001 : 0, columnNumber: more == 0 ? 2 : 0, typeOID: 20001 + more, format: .binary),
                FieldDescription(name: "c", tableOID: 1259, columnNumber: 1, typeOID: 23, format: .binary),
                FieldDescription(name: "d", typeOID: 20003 + more, format: .text), FieldDescription(name: "e", typeOID: 2249, format: .binary),
            ]
        }
        var description = written { $0.writeRowDescription(fields(0)) }
        let carriers = try description.withUnsafeMutableBytes { try map.rewriteRowDescription($0, tables: [21000: 31000]) }
        #expect(description == written { $0.writeRowDescription(fields(10000)) })
        #expect(carriers == [CarrierColumn(index: 0, type: 20002), CarrierColumn(index: 4, type: 2249)])
        var parameters = written { $0.writeParameterDescription([23, 20003]) }
        try parameters.withUnsafeMutableBytes { try map.rewriteParameterDescription($0) }
        #expect(parameters == written { $0.writeParameterDescription([23, 30003]) })
        var unknown = written { $0.writeRowDescription([FieldDescription(name: "a", typeOID: 20008)]) }
        #expect(throws: UnmappedType(oid: 20008)) { _ = try unknown.withUnsafeMutableBytes { try map.rewriteRowDescription($0, tables: [:]) } }
    }

    @Test func parametersInBinaryAreTranslated() {
        func bind(_ known: [UInt8], _ format: UInt8) -> [UInt8] {
            let body = [0, 0, 0, 1, 0, format, 0, 2] + value(known) + value(nil) + [0, 0]
            return [UInt8(ascii: "B")] + number(UInt32(body.count + 4)) + body
        }
        for pair in pairs {
            for format: UInt8 in [0, 1] {
                var message = bind(pair.known, format)
                message.withUnsafeMutableBytes { map.rewriteBind($0, types: [pair.type, 20002, 20002]) }
                #expect(message == bind(format == 1 ? pair.other : pair.known, format), "type \(pair.type)")
            }
        }
        // No server has that type: it says so.
        var unknown = bind(array(20008, [sad]), 1)
        unknown.withUnsafeMutableBytes { map.rewriteBind($0, types: [20002]) }
        #expect(unknown == bind(array(TypeOIDMap.noType, [sad]), 1))
        #expect(map.parameterTypes([0, 23, 20001, 20008]) == [0, 23, 30001, TypeOIDMap.noType])
    }

    /// Whatever comes is left alone or changed within its bounds.
    @Test func brokenValuesAreLeftToTheServerThatReadsThem() {
        for pair in pairs {
            for length in 0..<pair.known.count {
                for place in 0..<min(length, 24) {
                    var broken = Array(pair.known.prefix(length))
                    broken[place] = 0xFF
                    var row = written { $0.writeDataRow([broken]) }
                    row.withUnsafeMutableBytes { try? map.rewriteDataRow($0, [CarrierColumn(index: 0, type: pair.type)]) }
                    #expect(row.count == broken.count + 11)
                }
            }
        }
    }
}
