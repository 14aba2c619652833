// Command tags of several shards become one.
import Primitives
import ResultMerging
import Testing
import WireProtocol

@Suite struct RowCountSumTests {
    private func sum(_ tags: String...) throws -> String {
        let pool = BlockPool(keepCount: 1)
        var sum = RowCountSum()
        var queue = ByteQueue(pool: pool.reference)
        defer { queue.free() }
        for tag in tags {
            queue.writeCommandComplete(tag)
            try sum.add(queue.readable)
            queue.consume(queue.count)
        }
        sum.write(into: &queue)
        return queue.isEmpty ? "" : try CommandCompleteMessage(queue.readable).tag.text
    }

    @Test("Row counts add up, whatever the command")
    func sums() throws {
        #expect(try sum("UPDATE 2", "UPDATE 0", "UPDATE 40") == "UPDATE 42")
        #expect(try sum("INSERT 0 5", "INSERT 0 6") == "INSERT 0 11")
        #expect(try sum("DELETE 1") == "DELETE 1")
        #expect(try sum("COPY 10", "COPY 20") == "COPY 30")
    }

    @Test("A tag without a count is passed on; no tag is nothing")
    func plain() throws {
        #expect(try sum("CREATE TABLE", "CREATE TABLE") == "CREATE TABLE")
        #expect(try sum() == "")
    }

    @Test("Different commands are an error")
    func different() throws {
        #expect(throws: MergeError.self) { try sum("UPDATE 1", "DELETE 1") }
        #expect(throws: MergeError.self) { try sum("BEGIN", "BEGIN 1") }
    }
}
