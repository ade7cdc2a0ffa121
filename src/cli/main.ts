#!/usr/bin/env node
import { runProgram } from './program.js';

const abort = new AbortController();
let interruptions = 0;

/** The first time ends what is going on in order; the second at once. */
function interrupt(): void {
  interruptions++;
  if (interruptions > 1) process.exit(130);
  abort.abort();
}

process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);
for (const stream of [process.stdout, process.stderr]) {
  // Whoever read our output, such as `head`, has had enough.
  stream.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
}

process.exitCode = await runProgram(process.argv.slice(2), {
  environment: process.env,
  out: process.stdout,
  err: process.stderr,
  get input() {
    return process.stdin;
  },
  signal: abort.signal,
});
