/** The flags of commands as data: from these tables the arguments are read and the help is written. */

import { UsageError } from './errors.ts'
import { unescape } from './escapes.ts'

interface FlagBase {
  /** One line for the help. */
  readonly about: string
  /** A single letter that means the same. */
  readonly short?: string
}

/** How a flag's value is read. `placeholder` stands for the value in the help. */
export type Flag = FlagBase &
  (
    | { readonly kind: 'switch' }
    | { readonly kind: 'text'; readonly placeholder: string }
    /** Text, again and again. */
    | { readonly kind: 'texts'; readonly placeholder: string }
    /** Text in which `\n`, `\t`, `\0`, `\xHH` and the like stand for bytes. */
    | { readonly kind: 'bytes'; readonly placeholder: string }
    | { readonly kind: 'number'; readonly placeholder: string; readonly least: number }
    | { readonly kind: 'numbers'; readonly placeholder: string; readonly least: number }
    | { readonly kind: 'choice'; readonly of: readonly string[] }
    /** `name=value`, again and again. */
    | { readonly kind: 'pairs'; readonly placeholder: string }
  )

export type FlagTable = Readonly<Record<string, Flag>>

type ValueOf<F extends Flag> = F extends { kind: 'switch' }
  ? boolean
  : F extends { kind: 'text' }
    ? string
    : F extends { kind: 'texts' }
      ? readonly string[]
      : F extends { kind: 'bytes' }
        ? Buffer
        : F extends { kind: 'number' }
          ? number
          : F extends { kind: 'numbers' }
            ? readonly number[]
            : F extends { kind: 'choice'; of: readonly (infer Choice)[] }
              ? Choice
              : F extends { kind: 'pairs' }
                ? readonly (readonly [name: string, value: string])[]
                : never

/** What a command is given for its flags. A flag that was left out is undefined. */
export type FlagValues<Table extends FlagTable> = { readonly [Name in keyof Table]: ValueOf<Table[Name]> | undefined }

export function takesMany(flag: Flag): boolean {
  return flag.kind === 'pairs' || flag.kind === 'numbers' || flag.kind === 'texts'
}

/** The value that the text after a flag stands for. @throws UsageError saying what it should be */
export function readFlag(name: string, flag: Flag, given: string | boolean | readonly string[]): unknown {
  switch (flag.kind) {
    case 'switch':
      return given
    case 'text':
    case 'texts':
      return given
    case 'bytes':
      return unescape(`--${name}`, given as string)
    case 'number':
      return readNumber(name, flag.least, given as string)
    case 'numbers':
      return (given as readonly string[]).map((text) => readNumber(name, flag.least, text))
    case 'choice':
      if (flag.of.includes(given as string)) return given
      throw new UsageError(`--${name} must be one of ${flag.of.join(', ')}, not '${given as string}'`)
    case 'pairs':
      return (given as readonly string[]).map((text) => readPair(name, flag.placeholder, text))
    default:
      return flag satisfies never
  }
}

function readNumber(name: string, least: number, text: string): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : NaN
  if (Number.isSafeInteger(value) && value >= least) return value
  const range = least === Number.MIN_SAFE_INTEGER ? '' : ` of at least ${least}`
  throw new UsageError(`--${name} must be a whole number${range}, not '${text}'`)
}

function readPair(name: string, placeholder: string, text: string): readonly [string, string] {
  const at = text.indexOf('=')
  if (at <= 0) throw new UsageError(`--${name} must be ${placeholder}, not '${text}'`)
  return [text.slice(0, at), text.slice(at + 1)]
}
