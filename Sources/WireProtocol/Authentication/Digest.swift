// Digests and key derivation, all from OpenSSL's libcrypto. Nothing here chooses random bytes.
import COpenSSL

/// The hash functions authentication needs.
public enum Digest {
    /// MD5, or nil where the system forbids it (FIPS mode).
    static func md5(_ data: [UInt8]) -> [UInt8]? { hash(data, EVP_md5(), size: 16) }

    public static func sha256(_ data: [UInt8]) -> [UInt8] {
        guard let result = hash(data, EVP_sha256(), size: 32) else { preconditionFailure("libcrypto has no SHA-256") }
        return result
    }

    static func hmacSHA256(key: [UInt8], _ data: [UInt8]) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        guard HMAC(EVP_sha256(), key, Int32(key.count), data, data.count, &result, &length) != nil, length == 32 else {
            preconditionFailure("libcrypto has no HMAC-SHA-256")
        }
        return result
    }

    /// PBKDF2 with HMAC-SHA-256: RFC 5802's Hi(). About a millisecond for 4,096 iterations.
    static func saltedPassword(_ password: [UInt8], salt: [UInt8], iterations: Int) -> [UInt8] {
        var result = [UInt8](repeating: 0, count: 32)
        let done = password.withUnsafeBytes { password in
            PKCS5_PBKDF2_HMAC(
                password.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(password.count), salt,
                Int32(salt.count), Int32(iterations), EVP_sha256(), 32, &result)
        }
        guard done == 1 else { preconditionFailure("libcrypto has no PBKDF2") }
        return result
    }

    /// Compares in a time that depends on the lengths only.
    static func equalInConstantTime(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        a.count == b.count && CRYPTO_memcmp(a, b, a.count) == 0
    }

    private static func hash(_ data: [UInt8], _ type: OpaquePointer?, size: Int) -> [UInt8]? {
        var result = [UInt8](repeating: 0, count: size)
        guard EVP_Digest(data, data.count, &result, nil, type, nil) == 1 else { return nil }
        return result
    }
}
