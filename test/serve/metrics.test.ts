import assert from 'node:assert/strict';
import { test } from 'node:test';
import { combinedLine, plainLine, type RequestRecord } from '../../src/serve/request-log.js';
import { ask, BLOCK, create, EMPTY, filesBelow, post, raw, startServer, until } from './running.js';

test('serve gives metrics with the names of rest-server when the user is "metrics"', async () => {
  const users = { anna: 'a', metrics: 'm' };
  const quota = { all: 3 * EMPTY, byUser: new Map([['anna', 2 * EMPTY]]) };
  const access = { privateRepositories: true };
  const server = await startServer({ users, metricsFor: 'metrics-user', access, quota });
  const as = 'anna:a';
  await create(server, '/anna/lap top/'.replace(' ', '%20'), { as });
  const { path } = await post(server, 1000, '/anna/lap%20top/data/', { as });
  await ask(server, 'POST', '/anna/lap%20top/config', { as, body: Buffer.from('x') });
  await ask(server, 'GET', path, { as });
  await ask(server, 'GET', path, { as, headers: { Range: 'bytes=0-9' } });
  await ask(server, 'DELETE', path, { as });

  assert.equal((await ask(server, 'GET', '/metrics')).status, 401);
  assert.equal((await ask(server, 'GET', '/metrics', { as })).status, 403);
  const { status, headers, body } = await ask(server, 'GET', '/metrics', { as: 'metrics:m' });
  assert.equal(status, 200);
  assert.match(headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
  const lines = body.toString().split('\n');
  const labels = '{user="anna",repo="anna/lap top",type="data"}';
  for (const line of [
    '# TYPE rest_server_blob_write_total counter',
    `rest_server_blob_write_total${labels} 1`,
    `rest_server_blob_write_bytes_total${labels} 1000`,
    `rest_server_blob_read_total${labels} 2`,
    `rest_server_blob_read_bytes_total${labels} 1010`,
    `rest_server_blob_delete_total${labels} 1`,
    `rest_server_blob_delete_bytes_total${labels} 1000`,
    `varve_serve_used_bytes{user="anna"} ${EMPTY + 3 * BLOCK}`,
    `varve_serve_quota_bytes{user="anna"} ${2 * EMPTY}`,
    'varve_serve_answers_total{status="401"} 1',
  ])
    assert.ok(lines.includes(line), `${line}\n${body}`);
  assert.ok(lines.some((line) => /^rest_server_repo_last_update_timestamp\{repo="anna\/lap top"\} \d{10}/.test(line)));
  for (const line of lines) assert.match(line, /^(# (HELP|TYPE) \S+ .+|[a-z_]+(\{.*\})? [\d.e+]+|)$/);
});

test('serve refuses repositories to the user "metrics" when repositories are private', async () => {
  const users = { metrics: 'm' };
  const server = await startServer({ users, metricsFor: 'metrics-user', access: { privateRepositories: true } });
  for (const path of ['/metrics/?create=true', '/metrics/x/?create=true'])
    assert.equal((await ask(server, 'POST', path, { as: 'metrics:m' })).status, 403);
  assert.deepEqual(filesBelow(server.root), ['.htpasswd']);
});

test('serve gives metrics to all or to no user when the option says so', async () => {
  const users = { anna: 'a' };
  const open = await startServer({ users, metricsFor: 'all' });
  assert.equal((await ask(open, 'GET', '/metrics')).status, 200);
  assert.equal((await ask(open, 'GET', '/keys/')).status, 401);
  const closed = await startServer({ users });
  assert.equal((await ask(closed, 'GET', '/metrics', { as: 'anna:a' })).status, 404);
  const withoutLogins = await startServer({ metricsFor: 'metrics-user' });
  assert.equal((await ask(withoutLogins, 'GET', '/metrics')).status, 200);
});

test('serve logs each request without secrets when passwords are in unexpected parts', async () => {
  const server = await startServer({ users: { anna: 'hunter2' } });
  const as = 'anna:hunter2';
  await create(server, '/', { as });
  const { name, path } = await post(server, 1234, '/data/', { as });
  await ask(server, 'GET', path, { as });
  await ask(server, 'GET', `${path}?token=hunter2`, { as: 'hunter2:anna' });
  await ask(server, 'GET', '/nothing/known/hunter2%0a', { as, headers: { 'User-Agent': '"x\u00a0' } });
  await raw(server, 'GET http://anna:hunter2@host/config HTTP/1.1\r\nHost: x\r\n\r\n');
  await until(() => server.records.length === 6, 'all requests are logged');
  const plain = server.records.map(plainLine);
  const combined = server.records.map(combinedLine);
  assert.doesNotMatch([...plain, ...combined].join('\n'), /hunter2|YW5uY|Basic/);
  const short = `data/${name.slice(0, 12)}…`;
  const expected = [
    `anna  POST  /  0 bytes  N ms  200`,
    `anna  POST  ${short}  1234 bytes  N ms  200`,
    `anna  GET  ${short}  1234 bytes  N ms  200`,
    `-  GET  ${short}  0 bytes  N ms  401  wrong user name or password`,
    'anna  GET  ?  0 bytes  N ms  404',
    '-  GET  ?  0 bytes  N ms  400  this server is not a proxy',
  ];
  const shown = plain.map((line) =>
    line.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}127\.0\.0\.1 {2}/, '').replace(/\d+ ms/, 'N ms'),
  );
  assert.deepEqual(shown, expected);
  const format =
    /^127\.0\.0\.1 - (anna|-) \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "(GET|POST) \S+ HTTP\/1\.1" \d{3} \d+ "" ".*"$/;
  for (const line of combined) assert.match(line, format);
});

test('plainLine and combinedLine escape text when it could move a cursor or begin a new line', () => {
  const record: RequestRecord = {
    time: new Date(2026, 0, 31, 14, 0, 5),
    address: '192.0.2.7',
    user: 'a\n2026 b\u001b[2J',
    method: 'GET',
    path: 'x',
    bytes: 0,
    milliseconds: 1.6,
    status: 404,
    reason: 'a\r\nb',
    aborted: true,
    userAgent: 'x" "y\n',
  };
  const expected =
    '2026-01-31 14:00:05  192.0.2.7  a\\u{a}2026 b\\u{1b}[2J  GET  x  0 bytes  2 ms  cut off  a\\u{d}\\u{a}b';
  assert.equal(plainLine(record), expected);
  assert.match(combinedLine(record), /^192\.0\.2\.7 - a\\u\{a\}2026\\x20b\S+ .* 499 0 "" "x\\" \\"y\\u\{a\}"$/);
  const escaped = { ...record, userAgent: `\\" "GET / ${'\\'.repeat(400)}`, user: 'a\\u{a}' };
  assert.match(combinedLine(escaped), / - a\\\\u\{a\} \[.* "\\\\\\" \\"GET \/ (\\\\){190}"$/);
  assert.match(plainLine(escaped), / {2}a\\\\u\{a\} {2}GET/);
});
