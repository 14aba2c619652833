// pgbraid-relay probe: publishes made-up events as fast as the broker confirms them, without a database: whether the broker takes what it will be
// told, and how fast; relaying can be no faster.
import ArgumentParser
import Foundation
import OutboxRelay

struct ProbeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe", abstract: "Publish made-up events, and print how many a second the broker confirms.",
        discussion: "They go where those of the outbox go: do not let it meet consumers that act on them.")

    @Option(help: "How many events.") var count = 10_000
    @Option(help: "How many bytes of data each has.") var bytes = 100
    @OptionGroup var options: CommonOptions

    func validate() throws {
        guard count > 0, (2...1_000_000).contains(bytes) else { throw ValidationError("--count must be above 0, --bytes from 2 to 1000000") }
    }

    func run() throws {
        let settings = try options.settings()
        let data = "\"" + String(repeating: "x", count: bytes - 2) + "\""
        let publisher = try settings.broker.publisher(shard: 0)
        let begun = ContinuousClock.now
        var (published, confirmed) = (0, 0)
        while confirmed < count {
            while published < count, published - confirmed < settings.delivery.inFlight {
                published += 1
                let event = OutboxEvent(sequence: Int64(published), id: "probe-\(published)", aggregate: "\(published)", type: "probe", data: data)
                if let reason = try publisher.publish(event) { return try fail(reason) }
            }
            for outcome in try publisher.outcomes(withinMilliseconds: 1000) {
                guard case .confirmed = outcome else { return try fail("\(outcome)") }
                confirmed += 1
            }
        }
        let seconds = begun.duration(to: .now) / .seconds(1)
        print("\(count) events of \(bytes) bytes confirmed in \(String(format: "%.2f", seconds)) s: \(Int(Double(count) / seconds)) per second")
    }

    private func fail(_ reason: String) throws {
        FileHandle.standardError.write(Data("\(reason)\n".utf8))
        throw ExitCode(1)
    }
}
