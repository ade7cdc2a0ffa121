import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, constants, createServer } from 'node:http2';
import net, { type AddressInfo } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { Pipes } from '../../../src/storage/transport/pipes.js';

test('HTTP/2 requests over pipes fail cleanly when the program is gone', async () => {
  const server = createServer();
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200 });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const wire = net.connect((server.address() as AddressInfo).port, '127.0.0.1');
  const output = new PassThrough();
  const input = new Writable({
    write: (bytes, _, done) => void wire.write(bytes, () => done()),
    final: (done) => void setTimeout(done, 1000),
  });
  wire.pipe(output, { end: false });
  const session = connect('http://localhost', { createConnection: () => new Pipes(output, input) });
  session.on('error', () => undefined);
  const request = session.request({ ':method': 'POST', ':path': '/' }, { endStream: false });
  request.on('error', () => undefined);
  await once(request, 'response');
  const ended = once(session, 'close');
  output.end();
  request.close(constants.NGHTTP2_CANCEL);
  await ended;
  assert.ok(request.closed);
  wire.destroy();
  server.close();
});
