<?php
/*
 * Twin of the workload cli-solver: a dependency solver over a registry's metadata. Prints one line of JSON with checkpoints;
 * README.md says what corresponds to what.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_solver.php [--steps=N] [--packages=N] [--versions=N] [--conflicts=X] [--seed=N]

  --steps=N      updates (default 3)
  --packages=N   names in the registry (default 60)
  --versions=N   of each package (default 70)
  --conflicts=X  share of the newest versions' requirements that nothing fulfils (default 0.03)
  --seed=N       of the random numbers (default 1)

TEXT;

const MAJORS = 5;
const VERSIONS_PER_ALIKE = 8;
const REASON_CHOICE = -1;
const REASON_OTHER_VERSION = -2;
const CONFLICTS_MAX = 2000;

/* ---- Metadata ---- */

class Registry
{
    public function __construct(private array $options, private int $seed)
    {
    }

    private function name(int $package): string
    {
        return ['account', 'bridge', 'channel', 'garden', 'market', 'office', 'server'][$package % 7] . '/'
            . ['author', 'client', 'field', 'letter', 'order'][$package % 5] . $package;
    }

    private function requirements(int $package, int $version, int $major, int $count): string
    {
        $list = [];
        $rest = $this->options['packages'] - $package - 1;
        for ($i = 0; $i < $count && $rest > 0; $i++) {
            $target = $package + 1 + mt_rand(0, min($rest, 12) - 1);
            $early = $package > 0 && $version + 1 === $this->options['versions']
                && mt_rand(0, 999) < $this->options['conflicts'] * 1000;
            $wanted = $major + (int) $early;
            $minor = mt_rand(0, 2);
            $or = mt_rand(0, 1) === 0 && $wanted > 1 ? ' || ^' . ($wanted - 1) . '.0' : '';
            $list[] = sprintf('"%s":"^%d.%d%s"', $this->name($target), $wanted, $minor, $or);
        }
        return '{' . implode(',', $list) . '}';
    }

    private function reference(): string
    {
        return (string) mt_rand(1000000000, 2000000000) . mt_rand(1000000000, 2000000000)
            . mt_rand(1000000000, 2000000000) . mt_rand(10000000, 99999999);
    }

    private function version(int $package, int $number): string
    {
        $minors = intdiv($this->options['versions'] + MAJORS - 1, MAJORS);
        $major = 1 + intdiv($number, $minors);
        $name = $this->name($package);
        $like = $number % VERSIONS_PER_ALIKE === 0 ? $number + 1 : $number;
        mt_srand($this->seed + $package * 100000 + $like);
        $require = $this->requirements($package, $number, $major, 4);
        $dev = $this->requirements($package, $number, $major, 3);
        mt_srand($this->seed + 50000 + $package * 100000 + $number);
        $address = "https://example.org/$name";
        return sprintf('{"name":"%s","version":"%d.%d.0","description":"%s","keywords":["%s","%s"],"license":["MIT"],'
            . '"authors":[{"email":"%s","name":"%s"}],"source":{"type":"git","url":"%s.git","reference":"%s"},'
            . '"dist":{"type":"zip","shasum":null,"url":"%s/archive.zip","reference":"%s"},"type":"library","time":"%s",'
            . '"require":%s,"require-dev":%s,"autoload":{"psr-4":{"Library/Component":"%s","Library/Tests":"tests/"}},'
            . '"extra":{"branch-alias":{"dev-main":"%d.x-dev"}},"support":{"issues":"%s/issues","source":"%s/source"}}',
            $name, $major, $number % $minors, words(7), words(1), words(1), words(1), words(2), $address,
            $this->reference(), $address, $this->reference(), words(3), $require, $dev, words(1), $major, $address,
            $address);
    }

    public function metadata(int $package): string
    {
        $text = '[';
        for ($i = 0; $i < $this->options['versions']; $i++) {
            $text .= $i > 0 ? ',' : '';
            $text .= $this->version($package, $i);
        }
        return $text . ']';
    }
}

/* ---- Packages ---- */

class Package
{
    public $name, $prettyVersion, $version, $major, $minor, $requires, $devRequires, $sourceReference, $distUrl,
        $description, $keywords, $authors, $autoload, $license, $extra, $support;
    public $p16, $p17, $p18, $p19, $p20, $p21, $p22, $p23, $p24, $p25, $p26, $p27, $p28, $p29, $p30, $p31, $p32, $p33,
        $p34, $p35, $p36, $p37, $p38, $p39, $p40, $p41, $p42, $p43, $p44, $p45, $p46, $p47, $p48, $p49, $p50, $p51, $p52;
}

class Link
{
    public $description;

    public function __construct(public string $source, public string $target, public Constraint $constraint,
        public string $prettyConstraint)
    {
    }
}

class Constraint
{
    public $p2, $p3, $p4, $p5, $p6;

    public function __construct(public string $text, public array $bounds)
    {
    }

    public function allows(Package $package): bool
    {
        for ($i = 0; $i < count($this->bounds); $i += 2) {
            if ($this->bounds[$i] === $package->major && $package->minor >= $this->bounds[$i + 1]) {
                return true;
            }
        }
        return false;
    }
}

class Rule
{
    public int $first = 0;
    public int $second;

    public function __construct(public array $literals, public ?Link $reason)
    {
        $this->second = count($literals) > 1 ? 1 : 0;
    }
}

class Update
{
    public array $pool = [];
    public array $lock = [];
    public array $constraints = [];
    public int $conflicts = 0;
    private array $repository = [];
    private array $loaded = [];
    private array $byName = [];
    private array $rules = [];
    private array $watches = [];
    private array $decisions = [];
    private array $trail = [];
    private int $folded = 0;

    public function run(Registry $registry, int $packages, callable $checkpoint): bool
    {
        for ($package = 0; $package < $packages; $package++) {
            $this->repository[] = json_decode($registry->metadata($package), true);
        }
        foreach ($this->repository as $versions) {
            foreach ($versions as $metadata) {
                $this->loaded[] = $this->makePackage($metadata);
            }
        }
        unset($versions, $metadata);
        $checkpoint('loaded');
        $this->repository = [];
        $this->makePool();
        $checkpoint('pool');
        $this->makeRules();
        $checkpoint('rules');
        $found = $this->search();
        $checkpoint('solved');
        foreach ($this->pool as $id => $package) {
            if ($this->stateOf($id + 1) > 0) {
                $this->lock[$package->name] = ['version' => $package->version, 'reference' => $package->sourceReference];
            }
        }
        $this->byName = $this->rules = $this->watches = $this->decisions = $this->trail = [];
        $checkpoint('done');
        return $found;
    }

    private function normalise(string $text, ?int &$major, ?int &$minor): string
    {
        preg_match('/(?<major>\d+)\.(?<minor>\d+)/', $text, $matches);
        $major = (int) $matches['major'];
        $minor = (int) $matches['minor'];
        return $matches['major'] . '.' . $matches['minor'] . '.0.0';
    }

    private function parseConstraint(string $text): Constraint
    {
        $bounds = [];
        foreach (explode('|', $text) as $part) {
            if ($part === '') {
                continue;
            }
            $lower = $this->normalise(trim($part), $major, $minor);
            $this->folded ^= crc32('>=' . $lower);
            $bounds[] = $major;
            $bounds[] = $minor;
        }
        return $this->constraints[$text] ??= new Constraint($text, $bounds);
    }

    private function links(Package $package, array $required): array
    {
        $links = [];
        foreach ($required as $target => $text) {
            $links[$target] = new Link($package->name, $target, $this->parseConstraint($text), $text);
        }
        return $links;
    }

    private function makePackage(array $metadata): Package
    {
        $package = new Package();
        $package->name = $metadata['name'];
        $package->prettyVersion = $metadata['version'];
        foreach (['description', 'keywords', 'authors', 'autoload', 'license', 'extra', 'support'] as $key) {
            $package->$key = $metadata[$key];
        }
        $package->sourceReference = $metadata['source']['reference'];
        $package->distUrl = $metadata['dist']['url'];
        $package->version = $this->normalise($package->prettyVersion, $package->major, $package->minor);
        // No reference is left on the properties.
        $major = $package->major;
        $minor = $package->minor;
        unset($package->major, $package->minor);
        $package->major = $major;
        $package->minor = $minor;
        $package->requires = $this->links($package, $metadata['require']);
        $package->devRequires = $this->links($package, $metadata['require-dev']);
        return $package;
    }

    private function makePool(): void
    {
        $seen = [];
        for ($i = count($this->loaded) - 1; $i >= 0; $i--) {
            $package = $this->loaded[$i];
            $text = $package->name;
            foreach ($package->requires as $target => $link) {
                $text .= $target;
                $text .= $link->prettyConstraint;
            }
            if (!isset($seen[$text]) || $package->requires === []) {
                $seen[$text] = true;
                $this->byName[$package->name][] = count($this->pool);
                $this->pool[] = $package;
            }
        }
        $this->loaded = [];
    }

    /* ---- Rules and the search: see solver_search.c ---- */

    private function addRule(array $literals, ?Link $reason): int
    {
        $rule = new Rule($literals, $reason);
        $number = count($this->rules);
        $this->rules[] = $rule;
        $this->watches[$literals[0]][] = $number;
        if ($rule->second !== 0) {
            $this->watches[$literals[1]][] = $number;
        }
        return $number;
    }

    private function makeRules(): void
    {
        $this->decisions = array_fill(0, count($this->pool), 0);
        foreach ($this->pool as $id => $package) {
            foreach ($package->requires as $target => $link) {
                $literals = [];
                $literals[] = -($id + 1);
                foreach ($this->byName[$target] as $candidate) {
                    if ($link->constraint->allows($this->pool[$candidate])) {
                        $literals[] = $candidate + 1;
                    }
                }
                $this->addRule($literals, $link);
            }
        }
    }

    private function stateOf(int $literal): int
    {
        return $literal < 0 ? -$this->decisions[-$literal - 1] : $this->decisions[$literal - 1];
    }

    private function decide(int $literal, int $level, int $reason): void
    {
        $decision = [];
        $decision[] = $literal;
        $decision[] = $reason;
        $this->trail[] = $decision;
        $this->decisions[abs($literal) - 1] = $literal < 0 ? -$level : $level;
    }

    private function visitRule(int $number, int $false, int $level): int
    {
        $rule = $this->rules[$number];
        $isFirst = $rule->literals[$rule->first] === $false;
        $other = $isFirst ? $rule->second : $rule->first;
        if ($this->stateOf($rule->literals[$other]) > 0) {
            return 0;
        }
        foreach ($rule->literals as $position => $literal) {
            if ($position !== $other && $this->stateOf($literal) >= 0) {
                if ($isFirst) {
                    $rule->first = $position;
                } else {
                    $rule->second = $position;
                }
                $this->watches[$literal][] = $number;
                return 1;
            }
        }
        if ($this->stateOf($rule->literals[$other]) < 0) {
            return 2;
        }
        $this->decide($rule->literals[$other], $level, $number);
        return 0;
    }

    private function visitWatchers(int $false, int $level): int
    {
        $conflict = -1;
        $kept = 0;
        $count = count($this->watches[$false] ?? []);
        for ($i = 0; $i < $count; $i++) {
            $number = $this->watches[$false][$i];
            $result = $conflict < 0 ? $this->visitRule($number, $false, $level) : 0;
            if ($result === 2) {
                $conflict = $number;
            }
            if ($result !== 1) {
                $this->watches[$false][$kept++] = $number;
            }
        }
        for ($i = $count; $i > $kept; $i--) {
            array_pop($this->watches[$false]);
        }
        return $conflict;
    }

    private function ruleOutOthers(int $id, int $level): int
    {
        foreach ($this->byName[$this->pool[$id]->name] as $other) {
            $state = $other === $id ? -1 : $this->stateOf($other + 1);
            if ($state > 0) {
                return $this->addRule([-($id + 1), -($other + 1)], null);
            }
            if ($state === 0) {
                $this->decide(-($other + 1), $level, REASON_OTHER_VERSION - $id);
            }
        }
        return -1;
    }

    private function propagate(int $start, int $level): int
    {
        $conflict = -1;
        for ($i = $start; $conflict < 0 && $i < count($this->trail); $i++) {
            $literal = $this->trail[$i][0];
            if ($literal > 0) {
                $conflict = $this->ruleOutOthers($literal - 1, $level);
            }
            if ($conflict < 0) {
                $conflict = $this->visitWatchers(-$literal, $level);
            }
        }
        return $conflict;
    }

    private function learn(int $conflict, int &$level): int
    {
        $learned = [0];
        $seen = [];
        $open = 0;
        $literals = $this->rules[$conflict]->literals;
        $skipped = 0;
        for ($position = count($this->trail) - 1;; $position--) {
            foreach ($literals as $literal) {
                $id = abs($literal) - 1;
                if ($literal === $skipped || isset($seen[$id])) {
                    continue;
                }
                $seen[$id] = true;
                $decided = abs($this->decisions[$id]);
                if ($decided === $level) {
                    $open++;
                } elseif ($decided > 1) {
                    $learned[] = $literal;
                }
            }
            while (!isset($seen[abs($this->trail[$position][0]) - 1])) {
                $position--;
            }
            [$skipped, $reason] = $this->trail[$position];
            if (--$open === 0) {
                break;
            }
            $literals = $reason <= REASON_OTHER_VERSION ? [-(REASON_OTHER_VERSION - $reason + 1)]
                : $this->rules[$reason]->literals;
        }
        $learned[0] = -$skipped;
        $level = 1;
        $highest = 1;
        for ($i = 1; $i < count($learned); $i++) {
            $decided = abs($this->decisions[abs($learned[$i]) - 1]);
            if ($decided > $level) {
                $level = $decided;
                $highest = $i;
            }
        }
        if ($highest < count($learned)) {
            [$learned[1], $learned[$highest]] = [$learned[$highest], $learned[1]];
        }
        while ($this->trail !== []) {
            $id = abs($this->trail[count($this->trail) - 1][0]) - 1;
            if (abs($this->decisions[$id]) <= $level) {
                break;
            }
            $this->decisions[$id] = 0;
            array_pop($this->trail);
        }
        $start = count($this->trail);
        $this->decide(-$skipped, $level, $this->addRule($learned, null));
        return $start;
    }

    private function settle(int $start, int &$level): bool
    {
        while (($conflict = $this->propagate($start, $level)) >= 0) {
            if ($level === 1 || ++$this->conflicts > CONFLICTS_MAX) {
                return false;
            }
            $start = $this->learn($conflict, $level);
        }
        return true;
    }

    private function openCandidate(Rule $rule): int
    {
        $open = 0;
        foreach ($rule->literals as $position => $literal) {
            $state = $this->stateOf($literal);
            if ($position === 0) {
                if ($state >= 0) {
                    return 0;
                }
            } elseif ($state > 0) {
                return 0;
            } elseif ($state === 0 && $open === 0) {
                $open = $literal;
            }
        }
        return $open;
    }

    private function search(): bool
    {
        $last = count($this->rules) - 1;
        $level = 1;
        $root = $this->byName[$this->pool[count($this->pool) - 1]->name][0];
        $this->decide($root + 1, $level, REASON_CHOICE);
        $holds = $this->settle(0, $level);
        for ($number = $last; $holds && $number >= 0;) {
            $choice = $this->openCandidate($this->rules[$number]);
            if ($choice === 0) {
                $number--;
                continue;
            }
            $before = ++$level;
            $this->decide($choice, $level, REASON_CHOICE);
            $holds = $this->settle(count($this->trail) - 1, $level);
            if ($level < $before) {
                $number = $last;
            }
        }
        return $holds;
    }
}

function state(int $update, string $phase): array
{
    $status = gc_status();
    return ['iterations' => $update, 'phase' => $phase, 'live_bytes' => memory_get_usage(),
        'gc_runs' => $status['runs'], 'gc_collected' => $status['collected'], 'gc_threshold' => $status['threshold'],
        'gc_roots' => $status['roots']];
}

ini_set('memory_limit', '-1');
$options = read_options('cli_solver.php', array_slice($argv, 1), USAGE, ['steps' => 3, 'packages' => 60,
    'versions' => 70, 'conflicts' => '0.03', 'seed' => 1]);
if (!is_numeric($options['conflicts']) || $options['conflicts'] < 0) {
    fail('cli_solver.php', "--conflicts: expected a number that is not negative, not '{$options['conflicts']}'");
}
if ($options['packages'] < 2 || $options['versions'] < 10) {
    fail('cli_solver.php', 'expected at least 2 packages of 10 versions');
}
$options['conflicts'] = (float) $options['conflicts'];
$checkpoints = new Checkpoints($options['steps']);
$phases = [state(0, 'boot')];
$found = $conflicts = 0;
for ($number = 1; $number <= $options['steps']; $number++) {
    $update = null;
    $update = new Update();
    $found += (int) $update->run(new Registry($options, $options['seed'] + $number), $options['packages'],
        function (string $phase) use (&$phases, $number): void {
            $phases[] = state($number, $phase);
        });
    $conflicts += $update->conflicts;
    $checkpoints->pass($number);
}
$checkpoints->report('cli_solver', $options, $found, ['conflict_count' => $conflicts, 'locked' => count($update->lock),
    'phases' => $phases]);
