// MD5 password authentication: the old method, still common. What is stored is md5(password + user); what travels
// is md5 of that (as hexadecimal digits) and a salt (PostgreSQL manual, section 55.2.1).

public enum MD5Password {
    /// What pg_authid stores: "md5" and 32 hexadecimal digits. nil where MD5 is forbidden.
    public static func verifier(password: [UInt8], user: String) -> [UInt8]? {
        hexadecimalMD5(password + Array(user.utf8))
    }

    /// What a client answers to a salt, knowing the verifier. nil if the verifier is not an MD5 one.
    public static func response(verifier: [UInt8], salt: [UInt8]) -> [UInt8]? {
        guard isVerifier(verifier) else { return nil }
        return hexadecimalMD5(Array(verifier.dropFirst(3)) + salt)
    }

    /// Whether `response` answers `salt` for this verifier.
    public static func accepts(_ response: UnsafeRawBufferPointer, verifier: [UInt8], salt: [UInt8]) -> Bool {
        guard let expected = self.response(verifier: verifier, salt: salt) else { return false }
        return Digest.equalInConstantTime(expected, Array(response))
    }

    /// "md5" and 32 lower-case hexadecimal digits (get_password_type in crypt.c).
    static func isVerifier(_ text: [UInt8]) -> Bool {
        text.count == 35 && text.starts(with: Array("md5".utf8))
            && text.dropFirst(3).allSatisfy { hexadecimalDigits.contains($0) }
    }

    private static let hexadecimalDigits = Array("0123456789abcdef".utf8)

    private static func hexadecimalMD5(_ data: [UInt8]) -> [UInt8]? {
        guard let digest = Digest.md5(data) else { return nil }
        let digits = digest.flatMap { [hexadecimalDigits[Int($0 >> 4)], hexadecimalDigits[Int($0 & 15)]] }
        return Array("md5".utf8) + digits
    }
}
