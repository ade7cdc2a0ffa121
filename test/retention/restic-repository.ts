import { Buffer } from 'node:buffer';
import { spawnSync } from 'node:child_process';
import { createCipheriv, createHash, randomBytes, scryptSync } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { poly1305 } from '@noble/ciphers/_poly1305.js';

/** As in restic's JSON. */
export interface ResticSnapshot {
  readonly time: string;
  readonly hostname: string;
  readonly paths: readonly string[];
  readonly tags: readonly string[];
}

export interface ResticGroup {
  readonly host: string;
  readonly paths: readonly string[] | null;
  readonly tags: readonly string[] | null;
  readonly keep: readonly { id: string }[] | null;
  readonly remove: readonly { id: string }[] | null;
  readonly reasons: readonly { matches: readonly string[] }[] | null;
}

interface MasterKey {
  readonly encrypt: Buffer;
  readonly macK: Buffer;
  readonly macR: Buffer;
}

const PASSWORD = 'x';
/** restic's own costs a third of a second each time. */
const CHEAP_SCRYPT = { N: 2, r: 1, p: 1 };

/** Undefined where there is no such program. */
export function resticVersion(program = 'restic'): string | undefined {
  const { status, stdout } = spawnSync(program, ['version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** A repository that the real restic made and reads, into which snapshots of any time are put as it would write them: `restic backup` takes a second for each. */
export class ResticRepository {
  readonly #directory = mkdtempSync(join(tmpdir(), 'varve-restic-'));
  readonly #key: MasterKey;
  readonly #program: string;

  constructor(program = 'restic') {
    this.#program = program;
    this.#restic(['init', '--repository-version', '1'], {});
    const { encrypt, mac } = JSON.parse(this.#restic(['cat', 'masterkey'], {}));
    const bytes = (text: string): Buffer => Buffer.from(text, 'base64');
    this.#key = { encrypt: bytes(encrypt), macK: bytes(mac.k), macR: bytes(mac.r) };
    this.#makeKeyCheap(JSON.stringify({ mac, encrypt }));
  }

  /** Puts these in place of all snapshots. @returns their ids */
  replaceSnapshots(snapshots: readonly ResticSnapshot[]): string[] {
    for (const name of readdirSync(this.#path('snapshots'))) rmSync(this.#path('snapshots', name));
    const tree = '0'.repeat(64);
    return snapshots.map((snapshot) => {
      const { tags, ...rest } = snapshot;
      const json = JSON.stringify({ ...rest, tree, username: 'x', ...(tags.length > 0 && { tags }) });
      return this.#write('snapshots', seal(this.#key, json));
    });
  }

  /** What `forget` would do. */
  forget(flags: readonly string[], zone: string): ResticGroup[] {
    const args = ['forget', '--no-lock', '--dry-run', '--json', ...flags];
    return JSON.parse(this.#restic(args, { TZ: zone }).trim() || '[]');
  }

  /** Runs a command on the repository, whatever it ends with. */
  run(
    args: readonly string[],
    cwd?: string,
    env: Record<string, string> = {},
  ): { code: number | null; out: string; err: string } {
    const { status, stdout, stderr } = spawnSync(this.#program, ['--no-cache', '-r', this.#path(), ...args], {
      encoding: 'utf8',
      maxBuffer: 2 ** 28,
      env: { ...process.env, RESTIC_PASSWORD: PASSWORD, ...env },
      ...(cwd !== undefined && { cwd }),
    });
    return { code: status, out: stdout, err: stderr };
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #makeKeyCheap(masterKey: string): void {
    const salt = randomBytes(64);
    const derived = scryptSync(PASSWORD, salt, 64, CHEAP_SCRYPT);
    const wrapping = { encrypt: derived.subarray(0, 32), macK: derived.subarray(32, 48), macR: derived.subarray(48) };
    const data = seal(wrapping, masterKey).toString('base64');
    const created = '2020-01-01T00:00:00Z';
    const key = { created, username: 'x', hostname: 'x', kdf: 'scrypt', ...CHEAP_SCRYPT, salt, data };
    for (const name of readdirSync(this.#path('keys'))) rmSync(this.#path('keys', name));
    this.#write('keys', Buffer.from(JSON.stringify({ ...key, salt: salt.toString('base64') })));
  }

  #write(type: string, bytes: Buffer): string {
    const name = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(this.#path(type, name), bytes);
    return name;
  }

  #restic(args: readonly string[], env: Record<string, string>): string {
    const { code, out, err } = this.run(args, undefined, env);
    if (code !== 0) throw new Error(`restic ${args.join(' ')}: exit code ${code}\n${err}`);
    return out;
  }

  #path(...names: string[]): string {
    return join(this.#directory, ...names);
  }
}

/** restic's encryption: AES-256-CTR, and Poly1305-AES over the ciphertext. */
function seal({ encrypt, macK, macR }: MasterKey, text: string): Buffer {
  const nonce = randomBytes(16);
  const ciphertext = createCipheriv('aes-256-ctr', encrypt, nonce).update(text);
  const s = createCipheriv('aes-128-ecb', macK, null).setAutoPadding(false).update(nonce);
  const tag = poly1305(ciphertext, Buffer.concat([macR, s]));
  return Buffer.concat([nonce, ciphertext, tag]);
}
