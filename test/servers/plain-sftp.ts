import { spawn } from 'node:child_process';

/**
 * Run as a program: an SFTP server as version 3 has it and no more, which is OpenSSH's without its word of what it can beyond that.
 *
 *     node plain-sftp.js /usr/lib/openssh/sftp-server
 */
const [, , program = '', ...args] = process.argv;
const server = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
/** Length, type and version: all that a packet of its version must have. */
const HELLO = 9;
let begun = Buffer.alloc(0);

process.stdin.pipe(server.stdin);
server.stdout.on('data', function first(bytes: Buffer) {
  begun = Buffer.concat([begun, bytes]);
  if (begun.length < HELLO || begun.length < 4 + begun.readUInt32BE()) return;
  server.stdout.off('data', first);
  const rest = begun.subarray(4 + begun.readUInt32BE());
  begun.writeUInt32BE(HELLO - 4);
  process.stdout.write(begun.subarray(0, HELLO));
  process.stdout.write(rest);
  server.stdout.pipe(process.stdout);
});
server.on('exit', (code) => process.exit(code ?? 1));
