// StandardStreams: whole lines to standard output and standard error, unbuffered.
import Glibc

/// The process's standard output and standard error.
public enum StandardStreams {
    public static func printOutput(_ line: String) { writeAll(STDOUT_FILENO, line + "\n") }
    public static func printError(_ line: String) { writeAll(STDERR_FILENO, line + "\n") }

    static func writeAll(_ descriptor: Int32, _ text: String) {
        var text = text
        text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = write(descriptor, rest.baseAddress, rest.count)
                if count < 0 && errno != EINTR { return }
                rest = UnsafeRawBufferPointer(rebasing: rest[max(0, count)...])
            }
        }
    }
}
