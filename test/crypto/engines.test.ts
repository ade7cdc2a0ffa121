import assert from 'node:assert/strict';
import { hkdfSync } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { type CryptoEngine, hkdf } from '../../src/crypto/engine.js';
import { nativeEngine } from '../../src/crypto/native.js';
import { portableEngine } from './portable.js';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString('hex');
const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value);

/** NIST's test case 16 of "The Galois/Counter Mode of Operation". */
const GCM = {
  key: hex('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308'),
  nonce: hex('cafebabefacedbaddecaf888'),
  aad: hex('feedfacedeadbeeffeedfacedeadbeefabaddad2'),
  plaintext: hex(`d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72
    1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39`),
  sealed: hex(`522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa
    8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b`),
};

/** RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature. */
const ED25519: readonly (readonly [string, string, string, string])[] = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    `e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24
     655141438e7a100b`,
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    `92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aee
     b00d291612bb0c00`,
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    `6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28d
     c027beceea1ec40a`,
  ],
];

function seal(engine: CryptoEngine, c: typeof GCM): Uint8Array {
  const out = new Uint8Array(c.plaintext.length + 16 + 5);
  assert.equal(engine.gcmSealInto(out, 3, c.key, c.nonce, c.aad, c.plaintext), c.plaintext.length + 16);
  assert.deepEqual([...out.subarray(0, 3), ...out.subarray(-2)], [0, 0, 0, 0, 0]);
  return out.slice(3, -2);
}

for (const engine of [nativeEngine, portableEngine]) {
  describe(`the ${engine.name} engine follows the published vectors`, () => {
    test('SHA-256 and HMAC (FIPS 180-4, RFC 4231 case 2)', () => {
      const abc = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
      assert.equal(text(engine.sha256(utf8('a'), utf8('bc'))), abc);
      assert.equal(
        text(engine.hmacSha256(utf8('Jefe'), utf8('what do ya want '), utf8('for nothing?'))),
        '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
      );
    });

    test('HKDF (RFC 5869 case 3, and node:crypto)', () => {
      const okm = '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8';
      assert.equal(text(hkdf(engine, new Uint8Array(22).fill(0x0b), new Uint8Array(0), '', 42)), okm);
      const bytes = fc.uint8Array({ maxLength: 100 });
      fc.assert(
        fc.property(
          bytes,
          bytes,
          fc.string({ maxLength: 50 }),
          fc.integer({ min: 1, max: 200 }),
          (ikm, salt, info, n) =>
            assert.equal(
              text(hkdf(engine, ikm, salt, info, n)),
              text(new Uint8Array(hkdfSync('sha256', ikm, salt, info, n))),
            ),
        ),
        { numRuns: 30 },
      );
    });

    test('AES-256-GCM (NIST)', () => {
      assert.equal(text(seal(engine, GCM)), text(GCM.sealed));
      assert.equal(text(engine.gcmOpen(GCM.key, GCM.nonce, GCM.aad, GCM.sealed)), text(GCM.plaintext));
      assert.equal(engine.gcmOpen(GCM.key, GCM.nonce, new Uint8Array(20), GCM.sealed), undefined);
      for (const length of [0, 15, 16, GCM.sealed.length - 1])
        assert.equal(engine.gcmOpen(GCM.key, GCM.nonce, GCM.aad, GCM.sealed.subarray(0, length)), undefined);
    });

    test('X25519 (RFC 7748, section 6.1) refuses a result of zeros', () => {
      const alice = hex('77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a');
      const bob = hex('5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb');
      assert.equal(
        text(engine.x25519Public(alice)),
        '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
      );
      const shared = '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742';
      assert.equal(text(engine.x25519(alice, engine.x25519Public(bob))), shared);
      assert.equal(text(engine.x25519(bob, engine.x25519Public(alice))), shared);
      assert.equal(engine.x25519(alice, new Uint8Array(32)), undefined);
      assert.equal(engine.x25519(alice, Uint8Array.of(1, ...new Uint8Array(31))), undefined);
    });

    test('Ed25519 (RFC 8032, section 7.1)', () => {
      for (const [seed, publicKey, message, signature] of ED25519) {
        const signed = engine.ed25519Sign(hex(seed), hex(message));
        assert.equal(text(signed), text(hex(signature)));
        assert.equal(text(engine.ed25519Public(hex(seed))), publicKey);
        assert.ok(engine.ed25519Verify(hex(publicKey), hex(message), signed));
        assert.ok(!engine.ed25519Verify(hex(publicKey), hex(`${message}00`), signed));
        assert.ok(!engine.ed25519Verify(hex(publicKey), hex(message), signed.subarray(1)));
        assert.ok(!engine.ed25519Verify(new Uint8Array(31), hex(message), signed));
      }
    });

    test('scrypt (RFC 7914, section 12; first 32 bytes)', async () => {
      assert.equal(
        text(await engine.scrypt(utf8(''), utf8(''), 4, 1, 1)),
        '77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442',
      );
      assert.equal(
        text(await engine.scrypt(utf8('password'), utf8('NaCl'), 10, 8, 16)),
        'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162',
      );
    });

    test('random bytes are fresh and of memory of their own', () => {
      assert.notDeepEqual(engine.randomBytes(32), engine.randomBytes(32));
      assert.equal(engine.randomBytes(40).buffer.byteLength, 40);
    });
  });
}

test('both engines agree on random input and open the ciphertext of the other', () => {
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
  const bytes = fc.uint8Array({ maxLength: 300 });
  fc.assert(
    fc.property(key, key, bytes, bytes, (a, b, aad, plaintext) => {
      const nonce = a.subarray(0, 12);
      const [n, p] = [nativeEngine, portableEngine];
      assert.equal(text(n.sha256(a, plaintext)), text(p.sha256(a, plaintext)));
      assert.equal(text(n.hmacSha256(aad, plaintext)), text(p.hmacSha256(aad, plaintext)));
      const sealed = seal(n, { key: b, nonce, aad, plaintext, sealed: plaintext });
      assert.equal(text(sealed), text(seal(p, { key: b, nonce, aad, plaintext, sealed: plaintext })));
      assert.equal(text(p.gcmOpen(b, nonce, aad, sealed)), text(plaintext));
      assert.equal(text(n.x25519Public(a)), text(p.x25519Public(a)));
      assert.equal(text(n.x25519(a, p.x25519Public(b))), text(p.x25519(b, n.x25519Public(a))));
      const signature = n.ed25519Sign(a, plaintext);
      assert.equal(text(signature), text(p.ed25519Sign(a, plaintext)));
      assert.ok(p.ed25519Verify(n.ed25519Public(a), plaintext, signature));
      signature[40] = (signature[40] as number) ^ 1;
      assert.ok(!n.ed25519Verify(p.ed25519Public(a), plaintext, signature));
      assert.ok(!p.ed25519Verify(p.ed25519Public(a), plaintext, signature));
    }),
    { numRuns: 40 },
  );
});

test('the native engine imports a key again when its buffer was refilled', () => {
  const key = new Uint8Array(32).fill(1);
  const before = text(nativeEngine.x25519Public(key));
  key.fill(2);
  assert.notEqual(text(nativeEngine.x25519Public(key)), before);
  assert.equal(text(nativeEngine.x25519Public(key)), text(portableEngine.x25519Public(key)));
});
