// The section [capacity].
import Primitives
import ProxyCore

extension Configuration {
    static func readCapacity(_ section: ConfigurationSection, _ settings: inout CapacitySettings) {
        section.duration("sample_interval", into: &settings.sampleInterval, isZeroAllowed: true)
        section.integer("detailed_days", into: &settings.detailedDays, in: 1...60)
        section.integer("kept_days", into: &settings.keptDays, in: 1...3_650)
        var limit = settings.limitBytes ?? 0
        section.size("capacity_limit", into: &limit, atMost: 1 << 60)
        settings.limitBytes = limit > 0 ? limit : nil
        var statements = Int(settings.keySampleInterval)
        section.integer("key_sample", into: &statements, in: 0...1_000_000_000)
        settings.keySampleInterval = UInt64(statements)
        section.finish()
        if settings.keptDays < settings.detailedDays {
            section.mistake("kept_days", "must not be below detailed_days")
        }
        if settings.sampleInterval > .zero, settings.sampleInterval < .milliseconds(100) {
            section.mistake("sample_interval", "must be at least \"100ms\"", hint: "\"0s\" takes no samples")
        }
    }
}
