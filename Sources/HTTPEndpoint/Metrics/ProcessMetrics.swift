// ProcessMetrics: what the system says of this process, under the names that all exporters use.
import Foundation
import Glibc

enum ProcessMetrics {
    /// What the system does not say is missing.
    static func families() -> [MetricFamily] {
        var families: [MetricFamily] = []
        var usage = rusage()
        if getrusage(RUSAGE_SELF.rawValue, &usage) == 0 {
            let seconds = [usage.ru_utime, usage.ru_stime].reduce(0) { $0 + Double($1.tv_sec) + Double($1.tv_usec) / 1e6 }
            families.append(MetricFamily("process_cpu_seconds", .counter, unit: "seconds", "Processor time, of user and system.").with(.real(seconds)))
        }
        let pages = (try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8))?.split(separator: " ").compactMap { UInt64($0) } ?? []
        if pages.count > 1 {
            let bytes = pages[1] * UInt64(sysconf(Int32(_SC_PAGESIZE)))
            families.append(MetricFamily("process_resident_memory_bytes", .gauge, unit: "bytes", "Memory in use.").with(.whole(bytes)))
        }
        if let files = try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd") {
            families.append(MetricFamily("process_open_fds", .gauge, "Open files.").with(.whole(UInt64(files.count))))
        }
        if let start = startSeconds {
            families.append(MetricFamily("process_start_time_seconds", .gauge, unit: "seconds", "When the process started, in seconds since 1970.").with(.real(start)))
        }
        return families
    }

    /// Since 1970 (proc(5): field 22 of stat counts clock ticks since the system's start).
    private static var startSeconds: Double? {
        guard let stat = try? String(contentsOfFile: "/proc/self/stat", encoding: .utf8),
            let system = try? String(contentsOfFile: "/proc/stat", encoding: .utf8),
            let boot = system.split(separator: "\n").first(where: { $0.hasPrefix("btime ") }).flatMap({ Double($0.dropFirst(6)) }),
            // The name of the program, in parentheses, may have spaces.
            let fields = stat.split(separator: ")").last?.split(separator: " "), fields.count > 19, let ticks = Double(fields[19])
        else { return nil }
        return boot + ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}
