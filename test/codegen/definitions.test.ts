/** Reading and merging definitions: what the generated files rest on. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDefinition, type RawMessage } from '#codegen/definitions.js'
import { mergeMessages } from '#codegen/merge.js'
import { minimumBytes, parseMessage } from '#codegen/schema.js'
import { kebabCase } from '#codegen/text.js'
import { covers, formatVersions, intersect, parseVersions, union } from '#codegen/versions.js'

function message(validVersions: string, fields: RawMessage['fields'], rest: Partial<RawMessage> = {}): RawMessage {
  return {
    type: 'request',
    name: 'ThingRequest',
    apiKey: 1,
    validVersions,
    flexibleVersions: '6+',
    fields: fields ?? [],
    ...rest,
  }
}

test('ranges of versions are read and written as definitions have them', () => {
  for (const text of ['3', '0-4', '7+', 'none']) assert.equal(formatVersions(parseVersions(text)), text)
  assert.throws(() => parseVersions('4-'))
  assert.equal(formatVersions(intersect(parseVersions('0-4'), parseVersions('3+'))), '3-4')
  assert.equal(intersect(parseVersions('0-2'), parseVersions('3+')), null)
  assert.equal(formatVersions(union(parseVersions('0-2'), parseVersions('3+'), 'x')), '0+')
  assert.throws(() => union(parseVersions('0-1'), parseVersions('3+'), 'x'), /gap/)
  assert.ok(covers(parseVersions('0+'), parseVersions('3-4')))
  assert.ok(!covers(parseVersions('0-3'), parseVersions('3-4')))
})

test('comments are no part of a definition, but slashes in strings are', () => {
  const text = '{ // a comment with "quotes"\n "name": "http://x", "validVersions": "0" // another\n }'
  assert.deepEqual(parseDefinition(text), { name: 'http://x', validVersions: '0' })
})

test('file names are Kafka words with hyphens', () => {
  assert.equal(kebabCase('ListPartitionReassignments'), 'list-partition-reassignments')
  assert.equal(kebabCase('KRaftVersion'), 'k-raft-version')
})

test('the older definition fills in the versions below the newer one, and nothing above', () => {
  const newer = message('2-5', [
    { name: 'First', type: 'int32', versions: '0+' },
    { name: 'New', type: 'int32', versions: '1+' },
    { name: 'Last', type: 'string', versions: '2+', nullableVersions: '4+' },
  ])
  const older = message('0-3', [
    { name: 'First', type: 'int32', versions: '0+' },
    { name: 'Gone', type: 'int64', versions: '0-3' },
    { name: 'Last', type: 'string', versions: '1+', nullableVersions: '1+' },
  ])
  // In version 1 the newer definition has a field that the older one, which is the authority there, has not.
  const gap = () => mergeMessages(newer, { ...older, fields: [{ name: 'Last', type: 'string', versions: '0' }] })
  assert.throws(gap, /gap/)
  const nullableGap = () => mergeMessages(newer, older)
  assert.throws(nullableGap, /gap/)
  const merged = mergeMessages(newer, {
    ...older,
    fields: older.fields!.map((field) => ({ ...field, nullableVersions: 'none' })),
  })
  assert.equal(merged.validVersions, '0-5')
  assert.deepEqual(
    merged.fields?.map(({ name, versions, nullableVersions }) => [name, versions, nullableVersions]),
    [
      ['First', '0+', 'none'],
      ['Gone', '0-1', 'none'],
      ['New', '2+', undefined],
      ['Last', '1+', '4+'],
    ],
  )
})

test('an older definition that reaches no further down changes nothing', () => {
  const newer = message('0-5', [{ name: 'First', type: 'int32', versions: '0+' }])
  assert.equal(mergeMessages(newer, message('0-3', [{ name: 'Other', type: 'int32', versions: '0+' }])), newer)
  assert.equal(mergeMessages(newer, undefined), newer)
})

test('a field that has another type in the older definition is not merged in silence', () => {
  const newer = message('2-5', [{ name: 'First', type: 'int32', versions: '0+' }])
  const older = message('0-3', [{ name: 'First', type: 'int64', versions: '0+' }])
  assert.throws(() => mergeMessages(newer, older), /was int64/)
})

test('fields outside the valid versions are dropped, and int64 defaults beyond 2^53 make a bigint', () => {
  const parsed = parseMessage(
    message('3-6', [
      { name: 'Dead', type: 'int32', versions: '0-2' },
      { name: 'Count', type: 'int64', versions: '0+', default: '-1' },
      { name: 'Mark', type: 'int64', versions: '6+', default: '9223372036854775807', taggedVersions: '6+', tag: 0 },
      { name: 'Mask', type: 'int32', versions: '0+', default: '0x7fffffff' },
    ]),
  )
  assert.deepEqual(
    parsed?.root.fields.map((field) => [field.name, field.type.kind, field.default, formatVersions(field.versions)]),
    [
      ['count', 'scalar', { kind: 'number', value: -1 }, '3-6'],
      ['mark', 'bigint', { kind: 'bigint', value: 2n ** 63n - 1n }, '6'],
      ['mask', 'scalar', { kind: 'number', value: 0x7fff_ffff }, '3-6'],
    ],
  )
})

test('a stub has no message', () => {
  assert.equal(parseMessage(message('none', [])), null)
})

test('the fewest bytes of an element are those of its leanest version', () => {
  const parsed = parseMessage(
    message('0-6', [
      {
        name: 'Things',
        type: '[]Thing',
        versions: '0+',
        fields: [
          { name: 'Name', type: 'string', versions: '0+' },
          { name: 'Id', type: 'uuid', versions: '3+' },
          { name: 'Extra', type: 'int64', versions: '6+', taggedVersions: '6+', tag: 0 },
        ],
      },
    ]),
  )
  const type = parsed!.root.fields[0]!.type
  assert.ok(type.kind === 'array')
  assert.equal(minimumBytes(type.element, { first: 0, last: 6 }, parsed!.flexible), 2)
  assert.equal(minimumBytes(type.element, { first: 3, last: 5 }, parsed!.flexible), 18)
  // A compact string of one byte, sixteen of the uuid, and one that says there are no tagged fields.
  assert.equal(minimumBytes(type.element, { first: 6, last: 6 }, parsed!.flexible), 18)
})

test('what the generator does not understand stops it', () => {
  const broken: NonNullable<RawMessage['fields']> = [
    { name: 'A', type: 'int32', versions: '0+', default: 'many' },
    { name: 'A', type: 'string', versions: '0+', default: 'null' },
    { name: 'A', type: 'Missing', versions: '0+' },
    { name: 'A', type: 'string', versions: '0+', taggedVersions: '6+', tag: 0 },
  ]
  for (const field of broken) assert.throws(() => parseMessage(message('0-6', [field])))
})
