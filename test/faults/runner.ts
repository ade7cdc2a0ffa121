/** The process that runs one command after another, so that each costs no start of Node: see `RunnerProcess`. */
import { Readable, Writable } from 'node:stream';
import { runProgram } from '../../src/cli/program/program.js';

export interface Order {
  readonly args: readonly string[];
  readonly environment: Record<string, string>;
  readonly input: string;
}

/** What a command writes to, in the place of a stream of the process. */
function gather(): { stream: NodeJS.WriteStream; text: (encoding: BufferEncoding) => string } {
  const pieces: Buffer[] = [];
  const stream = new Writable({
    write(piece: Buffer, _encoding, done) {
      pieces.push(piece);
      done();
    },
  });
  const asTerminal = Object.assign(stream, { isTTY: false, columns: 80 }) as unknown as NodeJS.WriteStream;
  return { stream: asTerminal, text: (encoding) => Buffer.concat(pieces).toString(encoding) };
}

process.on('message', async ({ args, environment, input }: Order) => {
  const [out, err] = [gather(), gather()];
  const code = await runProgram(args, {
    environment,
    out: out.stream,
    err: err.stream,
    input: Readable.from([Buffer.from(input)]) as unknown as NodeJS.ReadStream,
    signal: new AbortController().signal,
    outliveReader: () => undefined,
  });
  process.send?.({ code, out: out.text('latin1'), err: err.text('utf8') });
});

process.on('disconnect', () => process.exit());
