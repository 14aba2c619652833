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
            let relay = try OutboxRelay(settings, logger: logger)
            relay.start()
            var number: Int32 = 0
            sigwait(&signals, &number)
            logger.info("stopping")
            relay.stop()
        } catch {
            logger.critical("cannot run", metadata: ["error": "\(error)"])
            throw ExitCode(1)
        }
    }
}
