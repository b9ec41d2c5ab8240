import assert from 'node:assert/strict'
import { test } from 'node:test'
import { atLeast, boolean, either, having, listOfInterceptors, nonEmptyString, oneOf } from '#src/options/checks.js'
import { quote, readOptions, type OptionTable } from '#src/options/option-table.js'

interface LampOptions {
  lingerMs?: number
  acks?: 'all' | 0 | 1
  name?: string
}

const lampOptions: OptionTable<LampOptions> = {
  lingerMs: { kafka: 'linger.ms', default: 5, check: atLeast(0), about: 'how long to wait' },
  acks: { kafka: 'acks', default: 'all', check: oneOf('all', 0, 1), about: 'who must have it' },
  name: { kafka: null, default: undefined, check: nonEmptyString, about: 'what to call it' },
}

const read = (given: unknown): LampOptions =>
  readOptions<LampOptions, 'lingerMs' | 'acks'>('Lamp', lampOptions, given as LampOptions)

test('what is left out, or undefined, has its default; what has none is absent', () => {
  assert.deepEqual(read({}), { lingerMs: 5, acks: 'all' })
  assert.deepEqual(read({ lingerMs: 0, acks: undefined, name: 'x' }), { lingerMs: 0, acks: 'all', name: 'x' })
})

test('an unknown option is refused by name, with what there is and what may have been meant', () => {
  assert.throws(() => read({ linger: 3 }), {
    name: 'InvalidOptionError',
    code: 'INVALID_OPTION',
    option: 'linger',
    retriable: false,
    message: "Lamp has no option 'linger' (did you mean 'lingerMs'?); it has acks, lingerMs, name",
  })
  for (const slip of ['LINGERMS', 'linger.ms', 'lingrMs', 'lignerMs', 'lingerMss', 'lingerMz']) {
    assert.throws(() => read({ [slip]: 3 }), /did you mean 'lingerMs'/, slip)
  }
  assert.throws(() => read({ ligners: 3 }), /has no option 'ligners'; it has/)
  assert.throws(() => read({ toString: 3 }), /has no option 'toString'; it has/)
})

test("an option is recognised by Kafka's name, as other libraries spell it, and by what kafkajs calls it", () => {
  const table: OptionTable<{ idempotent?: boolean; bootstrapServers?: string }> = {
    idempotent: { kafka: 'enable.idempotence', default: true, check: boolean, about: '' },
    bootstrapServers: { kafka: 'bootstrap.servers', default: 'localhost', check: nonEmptyString, about: '' },
  }
  const meant = (name: string): string => {
    try {
      readOptions('Lamp', table, { [name]: true } as object)
    } catch (error) {
      return (
        /\((?:did you mean '(.*)'\?|(.*))\); it has/
          .exec((error as Error).message)
          ?.slice(1)
          .join('') ?? ''
      )
    }
    return ''
  }
  for (const name of ['enable.idempotence', 'enableIdempotence', 'idempotence']) assert.equal(meant(name), 'idempotent')
  for (const name of ['brokers', 'servers', 'metadata.broker.list']) assert.equal(meant(name), 'bootstrapServers')
  assert.equal(meant('transactionalId'), 'transactions have a TransactionalProducer')
  // There is no such option here to be meant.
  assert.equal(meant('ssl'), '')
})

test('a complaint about a part of a value does not end with what the whole is', () => {
  const table: OptionTable<{ list?: unknown[] }> = {
    list: { kafka: null, default: undefined, check: listOfInterceptors, about: '' },
  }
  const refused = (list: unknown, message: RegExp): void => {
    assert.throws(() => readOptions('Lamp', table, { list } as object), message)
  }
  refused([{}], /and number 0 has none$/)
  refused([null], /and number 0 is none$/)
  refused({}, /must be an array of objects .*, not an object$/)
})

test('a wrong value is refused with what is valid', () => {
  assert.throws(() => read({ lingerMs: -1 }), {
    message: "option 'lingerMs' of Lamp must be a whole number of at least 0, not -1",
  })
  assert.throws(() => read({ lingerMs: 1.5 }), /not 1\.5/)
  assert.throws(() => read({ lingerMs: '5' }), /not '5'/)
  assert.throws(() => read({ acks: 2 }), { message: "option 'acks' of Lamp must be one of 'all', 0, 1, not 2" })
  assert.throws(() => read({ name: null }), /must be a string that is not empty, not null/)
  assert.throws(() => read(null), { option: 'options' })
})

test('a message never shows the inside of an object, where a secret could be', () => {
  assert.equal(quote({ password: 'hunter2' }), 'an object')
  assert.equal(quote(Buffer.from('hunter2')), 'a Buffer')
  assert.equal(quote(['hunter2']), 'an array of 1')
  assert.equal(quote('x'.repeat(100)).length, 63)
})

test('checks say what is right', () => {
  assert.equal(either('must be a or b', oneOf('a'), boolean)('a'), undefined)
  assert.equal(either('must be a or b', oneOf('a'), boolean)('c'), 'must be a or b')
  assert.equal(having('warn', 'error')(console), undefined)
  assert.equal(having('warn', 'shout')(console), 'must be an object with the methods warn, shout')
  assert.equal(atLeast(1, 5)(6), 'must be a whole number from 1 to 5')
  assert.equal(atLeast(1)(2 ** 53), 'must be a whole number of at least 1')
})
