/** The package as npm would publish it, unpacked in a temporary folder where `import 'jackdaw'` finds it. */

import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The project's root, seen from build/test/package/support/. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..', '..')

export interface Packed {
  /** A project that has the package installed; put files of your own here. */
  readonly project: string
  /** The unpacked package. */
  readonly folder: string
  /** Every file in it, as paths with `/`, sorted. */
  readonly files: readonly string[]
  remove(): void
}

export function pack(): Packed {
  const project = mkdtempSync(join(tmpdir(), 'jackdaw-packed-'))
  const options = { cwd: root, stdio: 'pipe', timeout: 120_000 } as const
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', project, '--loglevel=error'], options)
  const archive = readdirSync(project).find((name) => name.endsWith('.tgz'))!
  execFileSync('tar', ['-xzf', archive], { cwd: project })
  const folder = join(project, 'node_modules', 'jackdaw')
  mkdirSync(dirname(folder))
  renameSync(join(project, 'package'), folder)
  rmSync(join(project, archive))
  installTypes(project)
  return {
    project,
    folder,
    files: filesBelow(folder),
    remove: () => {
      rmSync(project, { recursive: true, force: true })
    },
  }
}

/** Our run-time dependencies, as an installation would have them, and Node's types. */
function installTypes(project: string): void {
  for (const name of readdirSync(join(root, 'node_modules'))) {
    if (name.startsWith('.') || name === 'jackdaw' || name === '@types') continue
    symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name))
  }
  // Copied, since TypeScript would look for what a linked package needs beside the link's target.
  for (const name of ['@types/node', 'undici-types']) {
    const target = join(project, 'node_modules', name)
    rmSync(target, { recursive: true, force: true })
    cpSync(join(root, 'node_modules', name), target, { recursive: true })
  }
}

function filesBelow(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      relative(folder, join(entry.parentPath ?? entry.path, entry.name))
        .split(sep)
        .join('/'),
    )
    .sort()
}
