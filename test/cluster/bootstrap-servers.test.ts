import assert from 'node:assert/strict'
import { test } from 'node:test'

import { parseBootstrapServers } from '#src/cluster/bootstrap-servers.js'
import { Cluster } from '#src/cluster/cluster.js'
import { InvalidOptionError } from '#src/errors/errors.js'

for (const [given, expected] of [
  ['localhost:9092', [['localhost', 9092]]],
  ['kafka', [['kafka', 9092]]],
  [
    'a:1, b:2 ,c',
    [
      ['a', 1],
      ['b', 2],
      ['c', 9092],
    ],
  ],
  [
    ['a:1', ' b:2,c:3 '],
    [
      ['a', 1],
      ['b', 2],
      ['c', 3],
    ],
  ],
  [
    'a:1,,b:2,',
    [
      ['a', 1],
      ['b', 2],
    ],
  ],
  ['a:1,a:1', [['a', 1]]],
  ['[::1]:19092', [['::1', 19092]]],
  ['[fe80::1]', [['fe80::1', 9092]]],
  ['::1', [['::1', 9092]]],
  ['10.0.0.1:65535', [['10.0.0.1', 65535]]],
] as const) {
  test(`${JSON.stringify(given)} is read`, () => {
    assert.deepEqual(
      parseBootstrapServers(given).map(({ host, port }) => [host, port]),
      expected,
    )
  })
}

for (const [given, complaint] of [
  ['', /must name at least one server/],
  [' , ', /must name at least one server/],
  [[], /must name at least one server/],
  ['a:0', /'a:0' has the port '0', which is not a number from 1 to 65535/],
  ['a:65536', /has the port '65536'/],
  ['a:http', /has the port 'http'/],
  ['a:', /has the port ''/],
  [':9092', /has no host/],
  ['[::1', /has a bracket that is not closed/],
  ['[::1]9092', /something other than a port behind it/],
  ['PLAINTEXT://a:9092', /must not have a protocol in front/],
  ['a b:9092', /has white space inside/],
  [7, /must be a string or an array of strings/],
  [['a', 7], /must be a string or an array of strings/],
] as const) {
  test(`${JSON.stringify(given)} is refused`, () => {
    assert.throws(
      () => new Cluster({ bootstrapServers: given as string }),
      (error) => {
        assert.ok(error instanceof InvalidOptionError)
        assert.equal(error.option, 'bootstrapServers')
        assert.match(error.message, complaint)
        return true
      },
    )
  })
}
