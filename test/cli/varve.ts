import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { Beneath } from '../servers/beneath.js';
import { testArguments, testEnvironment, testPlace } from '../servers/test-place.js';
import { WHOLE } from '../whole.js';
import { canRunInProcess, runIn } from './in-process.js';
import { MAIN } from './main-program.js';

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
  /** Standard output as it is. */
  readonly bytes: Buffer;
}

export interface Options {
  readonly env?: Record<string, string | undefined>;
  readonly input?: string | Buffer;
  readonly cwd?: string;
  /** A descriptor to be written to, instead of what is gathered. */
  readonly stdout?: number;
}

/** A directory of its own with a repository, a cache and a key file, which costs no time to open. */
export class Playground {
  readonly directory: string;
  readonly env: Record<string, string>;

  constructor(parent = tmpdir()) {
    this.directory = mkdtempSync(join(parent, 'varve-cli-'));
    const keyFile = this.path('key');
    writeFileSync(keyFile, randomBytes(32), { mode: 0o600 });
    this.env = {
      PATH: process.env.PATH ?? '',
      TZ: 'UTC',
      XDG_CACHE_HOME: this.path('cache'),
      VARVE_REPOSITORY: this.repository(),
      VARVE_KEY_FILE: keyFile,
      // Each thread costs a seventh of a second.
      ...(WHOLE ? {} : { VARVE_READ_CONCURRENCY: '1' }),
      ...testEnvironment,
    };
    after(() => rmSync(this.directory, { recursive: true, force: true }));
  }

  path(...names: string[]): string {
    return join(this.directory, ...names);
  }

  /** The place of a repository. */
  repository(name = 'repo'): string {
    return testPlace(this.path(name));
  }

  beneath(name = 'repo'): Promise<Beneath> {
    return Beneath.open(this.path(name));
  }

  /** Writes files, each with its content, below a directory. */
  files(directory: string, contents: Record<string, string | Buffer>): string {
    const root = this.path(directory);
    for (const [name, content] of Object.entries(contents)) {
      mkdirSync(join(root, name, '..'), { recursive: true });
      writeFileSync(join(root, name), content);
    }
    return root;
  }

  start(args: readonly string[], { env = {}, cwd, stdout }: Options = {}): ChildProcess {
    const stdio = ['pipe', stdout ?? 'pipe', 'pipe'] as const;
    const isHelp = args.length === 0 || args[0] === 'help';
    return spawn(process.execPath, [MAIN, ...(isHelp ? [] : testArguments), ...args], {
      env: { ...this.env, ...env },
      cwd: cwd ?? this.directory,
      stdio: [...stdio],
    });
  }

  /**
   * Runs varve through a shell, which can pass arguments that are not UTF-8: as the shell reads them.
   *
   * @param before a command of the shell that comes first
   */
  shell(args: string, before = ':'): Promise<Outcome> {
    const quoted = [process.execPath, MAIN, ...testArguments].map((word) => `'${word}'`).join(' ');
    return outcome(spawn('sh', ['-c', `${before}; ${quoted} ${args}`], { env: this.env }));
  }

  /** Runs a command to its end, in this process where that makes no difference. */
  async run(args: readonly string[], options: Options = {}): Promise<Outcome> {
    if (canRunInProcess(args, options)) return runIn(this.directory, args, { ...this.env, ...options.env });
    const child = this.start(args, options);
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(options.input ?? '');
    return outcome(child);
  }

  /** Runs what must succeed. */
  async ok(args: readonly string[], options: Options = {}): Promise<Outcome> {
    const result = await this.run(args, options);
    if (result.code !== 0)
      throw new Error(`varve ${args.join(' ')}: exit code ${result.code}\n${result.out}${result.err}`);
    return result;
  }

  /** What a command prints as JSON: the last line. */
  async json<T>(args: readonly string[], options: Options = {}): Promise<T> {
    const { out } = await this.ok([...args, '--json'], options);
    return JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as T;
  }

  /** The id of a new snapshot. */
  async backup(...args: string[]): Promise<string> {
    return (await this.json<{ snapshot_id: string }>(['backup', ...args])).snapshot_id;
  }
}

export async function outcome(child: ChildProcess): Promise<Outcome> {
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout?.on('data', (bytes: Buffer) => out.push(bytes));
  child.stderr?.on('data', (bytes: Buffer) => err.push(bytes));
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  const bytes = Buffer.concat(out);
  return { code, out: bytes.toString(), err: Buffer.concat(err).toString(), bytes };
}
