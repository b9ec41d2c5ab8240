/** Array elements that are single values, in the shape that `Reader.array` and `Writer.array` call. */

import type { Reader } from './reader.ts'
import type { Writer } from './writer.ts'

export function readInt8(reader: Reader): number {
  return reader.int8()
}

export function readInt16(reader: Reader): number {
  return reader.int16()
}

export function readInt32(reader: Reader): number {
  return reader.int32()
}

export function readInt64(reader: Reader): number {
  return reader.int64()
}

export function readUuid(reader: Reader): string {
  return reader.uuid()
}

export function readString(reader: Reader, _version: number, flexible: boolean): string {
  return reader.string(flexible)
}

export function writeInt8(writer: Writer, value: number): void {
  writer.int8(value)
}

export function writeInt16(writer: Writer, value: number): void {
  writer.int16(value)
}

export function writeInt32(writer: Writer, value: number): void {
  writer.int32(value)
}

export function writeInt64(writer: Writer, value: number): void {
  writer.int64(value)
}

export function writeUuid(writer: Writer, value: string): void {
  writer.uuid(value)
}

export function writeString(writer: Writer, value: string, _version: number, flexible: boolean): void {
  writer.string(value, flexible)
}
