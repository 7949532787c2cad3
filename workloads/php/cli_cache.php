<?php
/*
 * Twin of the workload cli-cache: a least-recently-used cache in one array, a WeakMap over objects that live on. Prints one
 * line of JSON: live bytes and the collector's state at ten checkpoints.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_cache.php [--steps=N] [--seed=N] [--entries=N] [--lookups=N] [--range=N] [--resident=N] [--touch=TENTHS]
           [--snapshot=0|1]

  --steps=N        iterations (default 60)
  --seed=N         of the random numbers (default 1)
  --entries=N      bound of the cache (default 7900)
  --lookups=N      keys asked for in an iteration (default 1000)
  --range=N        so many times as many keys are asked for as there are entries (default 13)
  --resident=N     objects that live on, each with an entry in the WeakMap (default 12000)
  --touch=TENTHS   tenths of a resident object that a variable takes and leaves again, a lookup (default 4)
  --snapshot=1     the array has a second owner when an entry is stored; 0: it has not (default)

TEXT;

const TEXT_WORDS_MAX = 48;
const TOUCH_STRIDE = 7919;
const META_KEYS = 10;

class Date { public $fields; }
class DateFields { public $p0, $p1, $p2, $p3, $p4, $p5, $p6, $p7, $p8, $p9, $p10, $p11; }
class CacheItem { public $key, $value, $hit, $factory, $p4, $p5, $p6, $p7, $p8; }
class Resident { public $number; }

class CacheService
{
    private array $entries = [];
    private array $resident = [];
    private WeakMap $map;
    private ?CacheItem $last = null;
    private int $stores = 0, $touched = 0, $lookups = 0;

    public function __construct(private array $options)
    {
        $this->map = new WeakMap();
        for ($i = 0; $i < $options['resident']; $i++) {
            // No variable holds it: letting go of it would make a possible root before the first iteration.
            $this->resident[] = new Resident();
            $this->resident[$i]->number = $i;
            $this->map[$this->resident[$i]] = 0;
        }
        for ($i = 0; $i < $options['entries']; $i++) {
            $this->entries['item.' . $i] = $this->entry($i);
        }
    }

    private function date(): Date
    {
        $date = new Date();
        $text = (string) mt_rand(1700000000, 1749999999);
        $date->fields = new DateFields();
        $parsed = new DateFields();
        for ($piece = 0; $piece < 5; $piece++) {
            $slice = substr($text, 2 * $piece, 2);
            $parsed->{'p' . $piece} = (int) $slice;
            $date->fields->{'p' . $piece} = (int) $slice;
        }
        return $date;
    }

    /** Literals, for returning a variable makes a possible root of what it holds. */
    private function entry(int $number): array
    {
        return [
            'value' => [
                'id' => 'item.' . $number,
                'text' => words(mt_rand(1, TEXT_WORDS_MAX)),
                'tags' => [$number % 64],
                'date' => $this->date(),
            ],
            'expiry' => $number + 3600,
            'stored' => 0,
        ];
    }

    private function item(string $key): CacheItem
    {
        $factory = static function () use ($key) { return $key; };
        $item = new CacheItem();
        $item->factory = $factory;
        $item->key = $factory();
        $item->hit = false;
        return $this->last = $item;
    }

    /** No variable holds the entry: letting go of it would make a possible root that the workload has not. */
    private function store(string $key, int $number): void
    {
        $meta = [];
        for ($i = 0; $i < META_KEYS; $i++) {
            $meta[$i * 3] = $i;
        }
        $snapshot = $this->options['snapshot'] ? $this->entries : null;
        if (count($this->entries) === $this->options['entries']) {
            unset($this->entries[array_key_first($this->entries)]);
        }
        $this->entries[$key] = $this->entry($number);
        $this->stores++;
    }

    private function touch(): void
    {
        $tenths = $this->options['touch'];
        $count = intdiv(($this->lookups + 1) * $tenths, 10) - intdiv($this->lookups * $tenths, 10);
        for ($i = 0; $i < $count; $i++, $this->touched += TOUCH_STRIDE) {
            $object = $this->resident[$this->touched % $this->options['resident']];
            $this->map[$object] = $this->map[$object] + 1;
            unset($object);
        }
    }

    public function lookUp(int $number): void
    {
        $key = 'item.' . $number;
        $item = $this->item($key);
        if (isset($this->entries[$key])) {
            $entry = $this->entries[$key];
            unset($this->entries[$key]);
            $this->entries[$key] = $entry;
            $item->hit = true;
        } else {
            $this->store($key, $number);
        }
        $this->touch();
        $this->lookups++;
    }

    public function checksum(): int
    {
        return (crc32($this->entries[$this->last->key]['value']['text']) + $this->stores) & 0xffffffff;
    }
}

$options = read_options('cli_cache.php', array_slice($argv, 1), USAGE, ['steps' => 60, 'seed' => 1, 'entries' => 7900,
    'lookups' => 1000, 'range' => 13, 'resident' => 12000, 'touch' => 4, 'snapshot' => 0]);
foreach (['entries', 'lookups', 'range', 'resident', 'steps'] as $name) {
    if ($options[$name] < 1) {
        fail('cli_cache.php', "--$name: expected at least 1");
    }
}
mt_srand($options['seed']);
words(1);
$checkpoints = new Checkpoints($options['steps']);
$service = new CacheService($options);
gc_collect_cycles(); // What filling it left in the buffer.
$checksum = 0;
for ($step = 1; $step <= $options['steps']; $step++) {
    for ($i = 0; $i < $options['lookups']; $i++) {
        $service->lookUp(mt_rand(0, $options['entries'] * $options['range'] - 1));
    }
    $checksum = ($checksum * 31 + $service->checksum()) & 0xffffffff;
    $checkpoints->pass($step);
}
$checkpoints->report('cli_cache', $options, $checksum);
