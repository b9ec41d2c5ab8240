/**
 * Puts two Kafka versions' definitions of one message together, so that old brokers are spoken to as well.
 *
 * Where both define a version of the message, the newer definition says what is in it; below the newer one's first
 * version the older one does.
 */

import type { RawField, RawMessage, RawStruct } from './definitions.ts'
import { below, formatVersions, from, intersect, parseVersions, union, type Versions } from './versions.ts'

/** The newer definition, with the versions and fields that only the older one still has. */
export function mergeMessages(newer: RawMessage, older: RawMessage | undefined): RawMessage {
  if (older === undefined) return newer
  const newerVersions = parseVersions(newer.validVersions)
  const olderVersions = parseVersions(older.validVersions)
  if (newerVersions === null || olderVersions === null || olderVersions.first >= newerVersions.first) return newer
  const floor = newerVersions.first
  if (olderVersions.last < floor - 1) throw new Error(`${newer.name} has a gap below version ${floor}`)
  return {
    ...newer,
    validVersions: `${olderVersions.first}-${newerVersions.last}`,
    fields: mergeFields(newer.fields ?? [], older.fields ?? [], floor, newer.name),
    commonStructs: mergeStructs(newer.commonStructs ?? [], older.commonStructs ?? [], floor, newer.name),
  }
}

function mergeStructs(
  newer: readonly RawStruct[],
  older: readonly RawStruct[],
  floor: number,
  path: string,
): readonly RawStruct[] {
  const merged = newer.map((struct) => {
    const counterpart = older.find(({ name }) => name === struct.name)
    return {
      ...struct,
      fields: mergeFields(struct.fields, counterpart?.fields ?? [], floor, `${path}.${struct.name}`),
    }
  })
  return [...merged, ...older.filter(({ name }) => !newer.some((struct) => struct.name === name))]
}

function mergeFields(
  newer: readonly RawField[],
  older: readonly RawField[],
  floor: number,
  path: string,
): readonly RawField[] {
  const merged: RawField[] = newer.map((field) => {
    const counterpart = older.find(({ name }) => name === field.name)
    if (counterpart === undefined) return clip(field, from(floor))
    return mergeField(field, counterpart, floor, `${path}.${field.name}`)
  })
  // What only the older definition has goes behind the field that it follows there: encoding order is definition order.
  let behind = 0
  for (const field of older) {
    const index = merged.findIndex(({ name }) => name === field.name)
    if (index >= 0) {
      behind = index + 1
      continue
    }
    const clipped = clip(field, below(floor))
    if (parseVersions(clipped.versions) !== null) merged.splice(behind++, 0, clipped)
  }
  return merged
}

function mergeField(newer: RawField, older: RawField, floor: number, path: string): RawField {
  const isStruct = newer.fields !== undefined || /^(\[\])?[A-Z]/.test(newer.type)
  if (!isStruct && newer.type !== older.type) throw new Error(`${path} is ${newer.type}, but was ${older.type}`)
  const pick = (versions: (field: RawField) => string | undefined): Versions | null =>
    union(
      intersect(parseVersions(versions(newer) ?? 'none'), from(floor)),
      intersect(parseVersions(versions(older) ?? 'none'), below(floor)),
      path,
    )
  return {
    ...newer,
    versions: formatVersions(pick((field) => field.versions)),
    nullableVersions: formatVersions(pick((field) => field.nullableVersions)),
    ...(newer.taggedVersions !== undefined && {
      taggedVersions: formatVersions(pick((field) => field.taggedVersions)),
    }),
    ...(newer.fields !== undefined && { fields: mergeFields(newer.fields, older.fields ?? [], floor, path) }),
  }
}

function clip(field: RawField, range: Versions): RawField {
  return {
    ...field,
    versions: formatVersions(intersect(parseVersions(field.versions), range)),
    ...(field.fields !== undefined && { fields: field.fields.map((inner) => clip(inner, range)) }),
  }
}
