// The section [http]: metrics, health and the status page.
import Glibc
import ProxyCore

extension Configuration {
    static let leastTokenBytes = 16

    /// Without a token everybody who reaches the address reads everything, so it must be one that only this machine reaches.
    static func readHTTP(_ section: ConfigurationSection, _ settings: inout ProxySettings, directory: String) {
        let text = section.string("listen")
        settings.httpToken = section.secret("token", directory: directory)
        section.finish()
        if let token = settings.httpToken, token.utf8.count < leastTokenBytes || !token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            let key = section.has("token") ? "token" : "token_file"
            section.mistake(key, "must have \(leastTokenBytes) characters or more, of ASCII without spaces")
        }
        guard let text else {
            if settings.httpToken != nil { section.missing("listen", hint: "the token is of use only with an address to listen on") }
            return
        }
        guard case .tcp(let host, let port)? = ListenAddress(text: text) else {
            return section.mistake("listen", "\"\(text)\" is no address", hint: "write \"127.0.0.1:9187\" or \"[::1]:9187\"")
        }
        settings.httpListen = .tcp(host: host, port: port)
        if settings.listen.contains(.tcp(host: host, port: port)) { section.mistake("listen", "is the same as proxy.listen") }
        if settings.httpToken == nil, !isLoopback(host), !section.has("token"), !section.has("token_file") {
            section.mistake(
                "listen", "\"\(text)\" can be reached from other machines, and there is no token",
                hint: "listen on 127.0.0.1, or set token_file")
        }
    }

    /// An address of this machine alone. Names are not looked up, but for the one that always means it.
    static func isLoopback(_ host: String) -> Bool {
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 { return UInt32(bigEndian: four.s_addr) >> 24 == 127 }
        return host == "::1" || host == "localhost"
    }
}
