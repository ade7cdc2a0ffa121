/** Runs a command as the client of `varve serve`, whose calls below the repository fail. */
import type { RestServer } from '../servers/rclone.js';
import { startVarveServeWith } from '../servers/varve-serve.js';
import type { Command } from './commands.js';
import type { Fault, Preload } from './preload.js';
import { areasOf, type Ended, type RunnerProcess } from './program.js';
import type { Stage } from './stage.js';

/** Milliseconds until a request is logged, on a busy machine. */
const LOGGED = 10_000;

/** One server for all runs: it has to live on, whatever fails. */
export class ServedRunner {
  readonly #stage: Stage;
  readonly #preload: Preload;
  readonly #client: RunnerProcess;
  #server: RestServer | undefined;
  #marks = 0;

  constructor(stage: Stage, preload: Preload, client: RunnerProcess) {
    this.#stage = stage;
    this.#preload = preload;
    this.#client = client;
  }

  async run(command: Command, fault?: Fault): Promise<Ended> {
    this.#server ??= await this.#start();
    const { host, output } = this.#server;
    const before = output().length;
    const environment = { ...command.environment, VARVE_REPOSITORY: `rest:http://${host}/repository/` };
    const ended = await this.#client.run({ ...command, environment }, fault);
    await this.#logged();
    return { ...ended, log: output().slice(before) };
  }

  /** Waits for the log of all requests so far: it asks for a path that touches no file, and waits for that to be logged. */
  async #logged(): Promise<void> {
    const mark = `mark-${++this.#marks}`;
    const { host, output } = this.#server as RestServer;
    await fetch(`http://${host}/${mark}/`).catch(() => undefined);
    for (const end = Date.now() + LOGGED; !output().includes(`${mark}/`) && Date.now() < end; )
      await new Promise((resolve) => setTimeout(resolve, 5));
  }

  /** Whether it still answers, whatever it answers. */
  async isAlive(): Promise<boolean> {
    if (this.#server === undefined) return true;
    return fetch(`http://${this.#server.host}/repository/config`).then(
      () => true,
      () => false,
    );
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    this.#server = undefined;
  }

  #start(): Promise<RestServer> {
    this.#preload.arm();
    const environment = { ...this.#preload.environment(areasOf(this.#stage)), UV_USE_IO_URING: '0' };
    return startVarveServeWith(environment, this.#stage.run(), undefined, '--log', '-');
  }
}
