#!/usr/bin/env node
import { writeSync } from 'node:fs';
import { exactArguments } from './program/arguments.js';
import { hideSecrets } from './program/process-title.js';
import { leaveRemovedDirectory } from './repository/working-directory.js';

let controller: AbortController | undefined;
/** The exit code that a shell shows for a program ended by SIGPIPE. */
const ENDED_BY_SIGPIPE = 141;
/** Node before 22 has no compile cache, and loading the module would take 5 ms. */
const canKeepCode = Number.parseInt(process.versions.node, 10) >= 22;
let interruptions = 0;
let outlivesReader = false;
let outputFailureReported = false;

/** Made on first use: Node takes 2 ms to load it, and a help does not need it. */
function abort(): AbortController {
  controller ??= new AbortController();
  return controller;
}

/** The first signal ends the command in order, the second at once. */
function interrupt(): void {
  interruptions++;
  if (interruptions > 1) process.exit(130);
  abort().abort();
}

/** When the reader closes the pipe: a listing ends (`varve ls | head`), a backup goes on. */
function endOrGoOn({ code, message }: NodeJS.ErrnoException): void {
  const noReader = code === 'EPIPE';
  if (!noReader && !outputFailureReported)
    printError(`${outlivesReader ? 'Warning' : 'Fatal'}: the output cannot be written: ${message}\n`);
  outputFailureReported = true;
  if (!outlivesReader) process.exit(noReader ? ENDED_BY_SIGPIPE : 1);
}

function printError(text: string): void {
  try {
    writeSync(process.stderr.fd, text);
  } catch {
    // Standard error is closed too, so nothing can be reported.
  }
}

// The AWS SDK would print a warning that its later versions do not run on Node 20.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
leaveRemovedDirectory();
const args = exactArguments(process.argv.slice(2));
hideSecrets(args);
process.on('SIGINT', interrupt);
process.on('SIGTERM', interrupt);

runMain().catch((cause: NodeJS.ErrnoException) => {
  // A module cannot be loaded when the limit of open files or the memory is too small.
  const advice = cause.code === 'EMFILE' ? ': raise the limit of open files (`ulimit -n 1024`)' : '';
  printError(`Fatal: varve cannot start: ${cause.message}${advice}\n`);
  process.exitCode = 1;
});

function watchedError(): NodeJS.WriteStream {
  const { stderr } = process;
  if (!stderr.listeners('error').includes(endOrGoOn)) stderr.on('error', endOrGoOn);
  return stderr;
}

async function runMain(): Promise<void> {
  if (canKeepCode) (await import('./program/code-cache.js')).keepCompiledCode(args);
  const { runProgram } = await import('./program/program.js');
  process.exitCode = await runProgram(args, {
    environment: process.env,
    out: process.stdout.on('error', endOrGoOn),
    // Getters, because Node opens a stream on first use, which takes time.
    get err() {
      return watchedError();
    },
    get input() {
      return process.stdin;
    },
    get signal() {
      return abort().signal;
    },
    outliveReader: () => {
      outlivesReader = true;
    },
  });
}
