// Journal: what has been lived so far, in a file to which later runs add. Plain text: one line a part.
#if canImport(Glibc)
import Glibc
#endif

/// A world that broke a promise.
package struct Failure: Sendable, Equatable {
    package var seed: UInt64
    package var violation: String

    package init(seed: UInt64, violation: String) {
        self.seed = seed
        self.violation = violation
    }
}

/// Seeds that kept every promise, their sums, and those that did not and wait to be lived again.
package struct Journal: Sendable {
    package var seeds = SeedSet()
    package var totals = Totals()
    package var failures: [Failure] = []

    package init() {}

    /// Reads a file; empty when there is none.
    package init(path: String) {
        for line in Self.read(path).split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1)
            guard words.count == 2 else { continue }
            if words[0] == "seeds" {
                seeds = SeedSet(text: words[1])
            } else if words[0] == "failure" {
                let parts = words[1].split(separator: " ", maxSplits: 1)
                if let seed = UInt64(parts[0]) { failures.append(Failure(seed: seed, violation: String(parts.last ?? ""))) }
            } else if let part = Totals.parts.first(where: { $0.name == words[0] }) {
                totals[keyPath: part.path].add(NamedCounts(text: words[1]))
            }
        }
    }

    /// Adds what was lived since. A seed that failed before and was lived again has only its later end.
    package mutating func add(_ news: Journal) {
        totals.add(news.totals)
        for range in news.seeds.ranges { seeds.insert(range) }
        failures.removeAll { old in
            seeds.missing(of: old.seed..<old.seed + 1).isEmpty || news.failures.contains { $0.seed == old.seed }
        }
        failures += news.failures
    }

    package var text: String {
        var lines = ["# Worlds lived by simulate, added up. Runs with --report add to this file and leave out the seeds that are here."]
        lines.append("seeds \(seeds.text)")
        for part in Totals.parts { lines.append("\(part.name) \(totals[keyPath: part.path].text)") }
        for failure in failures { lines.append("failure \(failure.seed) \(failure.violation)") }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Puts the file in place as a whole, so that who stops this process loses nothing older.
    /// - Returns: whether it could be written.
    package func write(to path: String) -> Bool {
        let new = path + ".new"
        guard let file = fopen(new, "w") else { return false }
        let bytes = Array(text.utf8)
        let isWritten = fwrite(bytes, 1, bytes.count, file) == bytes.count
        return fclose(file) == 0 && isWritten && rename(new, path) == 0
    }

    private static func read(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}
