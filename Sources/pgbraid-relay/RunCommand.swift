// pgbraid-relay run: relays until SIGTERM or SIGINT.
import ArgumentParser
import Foundation
import Logging
import OutboxRelay

extension Logger.Level: @retroactive ExpressibleByArgument {}

struct CommonOptions: ParsableArguments {
    @Option(help: "The configuration file.") var config = "relay.conf"
    @Option(help: "Least level that is logged: trace, debug, info, notice, warning, error, critical.") var logLevel = Logger.Level.info

    var logger: Logger {
        var logger = Logger(label: "pgbraid-relay") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = logLevel
        return logger
    }

    /// - Throws: exit code 1, with the mistakes on standard error.
    func settings() throws -> RelaySettings {
        do {
            return try RelayConfiguration.read(config)
        } catch let error as ConfigurationMistakes {
            for mistake in error.mistakes { FileHandle.standardError.write(Data("\(config): \(mistake)\n".utf8)) }
            throw ExitCode(1)
        } catch {
            FileHandle.standardError.write(Data("\(config): \(error.localizedDescription)\n".utf8))
            throw ExitCode(1)
        }
    }
}

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Relay events.", discussion: "SIGTERM and SIGINT let what is on its way arrive first.")

    @OptionGroup var options: CommonOptions

    func run() throws {
        let settings = try options.settings()
        let logger = options.logger
        // Before any thread is started: threads inherit it.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGTERM, SIGINT] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_BLOCK, &signals, nil)
        signal(SIGPIPE, SIG_IGN)
        do {
            guard let relay = try awaitRelay(settings, logger, until: &signals) else { return }
            relay.start()
            var number: Int32 = 0
            sigwait(&signals, &number)
            logger.info("stopping")
            relay.stop()
        } catch {
            logger.critical("cannot run", metadata: ["error": "\(OutboxRelay.text(of: error))"])
            throw ExitCode(1)
        }
    }

    /// Waits for a proxy that is not there, or cannot serve the relay yet.
    /// - Returns: nil when a signal came first.
    /// - Throws: what is wrong with the configuration or the table.
    private func awaitRelay(_ settings: RelaySettings, _ logger: Logger, until signals: inout sigset_t) throws -> OutboxRelay? {
        var failures = 0
        while true {
            do { return try OutboxRelay(settings, logger: logger) } catch {
                guard !OutboxRelay.isMistake(error) else { throw error }
                failures += 1
                logger.warning("the proxy is tried again", metadata: ["error": "\(OutboxRelay.text(of: error))", "failures": "\(failures)"])
                let (seconds, attoseconds) = settings.delivery.delay.duration(after: failures).components
                var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
                if sigtimedwait(&signals, nil, &time) > 0 { return nil }
            }
        }
    }
}
