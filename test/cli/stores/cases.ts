import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { WHOLE } from '../../whole.js';
import { type Outcome, Playground } from '../varve.js';

/** A command that must fail, as a user would have it. */
export interface Case {
  readonly repository: string;
  readonly args: readonly string[];
  readonly env?: Record<string, string | undefined>;
  readonly code?: number;
  /** What happened, where, and what to do. */
  readonly message: RegExp;
}

/** Of so many cases one is run for programs as well. */
const ONE_IN = WHOLE ? 1 : 4;

/** Runs commands, and looks for secrets in all that comes of them. */
export class Watched {
  readonly place = new Playground();
  readonly #secrets: string[] = [];
  #cases = 0;
  readonly #log = this.place.path('debug.log');

  constructor(...secrets: string[]) {
    this.keepSecret(...secrets);
  }

  keepSecret(...secrets: string[]): void {
    for (const secret of secrets) {
      assert.ok(secret.length > 3);
      this.#secrets.push(secret, encodeURIComponent(secret));
    }
  }

  /** With what a person sees, a stack for whoever wants one, and a line for each request in a file. */
  async run(args: readonly string[], env: Record<string, string | undefined> = {}): Promise<Outcome> {
    const all = { VARVE_DEBUG: '1', VARVE_DEBUG_LOG: this.#log, ...env };
    const outcome = await this.place.run([...args, '--retry-for', '0'], { env: all });
    this.noSecretIn(outcome.out, `output of ${args}`);
    this.noSecretIn(outcome.err, `errors of ${args}`);
    if (existsSync(this.#log)) this.noSecretIn(readFileSync(this.#log, 'utf8'), 'debug log');
    return outcome;
  }

  async ok(args: readonly string[], env: Record<string, string | undefined> = {}): Promise<void> {
    const { code, out, err } = await this.run(args, env);
    assert.equal(code, 0, `${args}: ${out}${err}`);
  }

  /** The message is the same for programs. */
  async fails({ repository, args, env = {}, code = 1, message }: Case): Promise<void> {
    const given = [...args, '-r', repository];
    const told = await this.run(given, env);
    assert.equal(told.code, code, `${args}: ${told.out}${told.err}`);
    const [line = ''] = told.err.split('\n').filter((each) => each.startsWith('Fatal: ') || each.startsWith('error: '));
    assert.match(line, message, `${args} at ${repository}`);
    if (this.#cases++ % ONE_IN > 0) return;
    const json = await this.run([...given, '--json'], { ...env, VARVE_DEBUG: undefined });
    assert.equal(json.code, code);
    const [last = ''] = json.err.trimEnd().split('\n').slice(-1);
    const { message_type, message: text } = JSON.parse(last) as { message_type: string; message: string };
    assert.equal(message_type, 'exit_error');
    assert.match(`Fatal: ${text}`, message);
  }

  noSecretIn(text: string, where: string): void {
    for (const secret of this.#secrets) assert.ok(!text.includes(secret), `${secret} in the ${where}:\n${text}`);
  }
}
