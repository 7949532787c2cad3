<?php
/*
 * Twin of the workload cli-dtor: batches of objects that all have a destructor, in an array, a list or rings. Prints one
 * line of JSON: live bytes and the collector's state at checkpoints.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_dtor.php [--steps=N] [--seed=N] [--objects=N] [--listed=0|1] [--cyclic=SHARE] [--touch=N] [--world=N]

  --steps=N        batches (default 20)
  --seed=N         the number before the first object's (default 1)
  --objects=N      of a batch (default 100000)
  --listed=1       each object refers to the one made before it, and only the last is held; 0: an array holds all (default)
  --cyclic=SHARE   of the objects that form rings of 170, which die only by a cycle collection (default 0)
  --touch=N        objects of the world that each destructor takes into a variable and leaves again (default 0)
  --world=N        objects that live on (default 0)

TEXT;

const RING_OBJECTS = 170;
const OBJECTS_PER_SAMPLE = 64;
const TOUCH_STRIDE = 7919;

class Resource
{
    public $number;
}

class Handle
{
    public $number, $next;

    public function __destruct()
    {
        Storm::$destroyed++;
        if (Storm::$touch > 0) {
            Storm::touchWorld($this->number);
        }
    }
}

class Storm
{
    public static int $touch = 0, $destroyed = 0, $sum = 0;
    private static array $world = [];
    private int $number;

    public function __construct(private array $options)
    {
        for ($i = 0; $i < $options['world']; $i++) {
            // No variable holds it: letting go of it would make a possible root before the first batch.
            self::$world[] = new Resource();
            self::$world[$i]->number = $i + 1;
        }
        self::$touch = $options['touch'];
        $this->number = $options['seed'];
    }

    public static function touchWorld(int $number): void
    {
        $count = count(self::$world);
        $index = $number * self::$touch % $count * TOUCH_STRIDE % $count;
        for ($i = 0; $i < self::$touch; $i++) {
            $object = self::$world[$index];
            self::$sum += $object->number;
            $index = ($index + TOUCH_STRIDE) % $count;
        }
    }

    public function batch(): int
    {
        if ((float) $this->options['cyclic'] > 0) {
            return $this->ringBatch((float) $this->options['cyclic']);
        }
        return $this->options['listed'] ? $this->listBatch() : $this->arrayBatch();
    }

    private function arrayBatch(): int
    {
        $batch = [];
        for ($i = 0; $i < $this->options['objects']; $i++) {
            $batch[] = new Handle();
            $batch[$i]->number = ++$this->number;
        }
        $checksum = $this->sumOf($batch);
        $batch = null;
        return $checksum;
    }

    private function listBatch(): int
    {
        $batch = null;
        for ($i = 0; $i < $this->options['objects']; $i++) {
            $node = new Handle();
            $node->number = ++$this->number;
            $node->next = $batch;
            $batch = $node;
        }
        unset($node);
        Checkpoints::seeHandles();
        $checksum = $batch->number;
        $batch = null;
        return $checksum;
    }

    private function ringBatch(float $cyclic): int
    {
        $batch = [];
        $inRings = 0;
        for ($made = 0; $made < $this->options['objects']; $made += $count) {
            $count = 1;
            if ($inRings < $cyclic * ($made + 1)) {
                $count = min($this->options['objects'] - $made, RING_OBJECTS);
                $inRings += $count;
                $node = new Handle();
                $node->number = ++$this->number;
                $head = $node;
                $tail = $node;
                for ($i = 1; $i < $count; $i++) {
                    $node = new Handle();
                    $node->number = ++$this->number;
                    $tail->next = $node;
                    $tail = $node;
                }
                $tail->next = $head;
                $batch[] = $head;
                unset($node);
                unset($head);
                unset($tail);
            } else {
                $batch[] = new Handle();
                $batch[count($batch) - 1]->number = ++$this->number;
            }
        }
        $checksum = $this->sumOf($batch);
        for ($i = 0, $count = count($batch); $i < $count; $i++) {
            $batch[$i] = null;
        }
        return $checksum;
    }

    private function sumOf(array &$batch): int
    {
        Checkpoints::seeHandles();
        $sum = 0;
        for ($i = 0, $count = count($batch); $i < $count; $i += OBJECTS_PER_SAMPLE) {
            $sum += $batch[$i]->number;
        }
        return $sum;
    }
}

$options = read_options('cli_dtor.php', array_slice($argv, 1), USAGE,
    ['steps' => 20, 'seed' => 1, 'objects' => 100000, 'listed' => 0, 'cyclic' => '0', 'touch' => 0, 'world' => 0]);
if ($options['objects'] < 2 || $options['steps'] < 1) {
    fail('cli_dtor.php', 'expected at least two objects and one step');
}
if (!is_numeric($options['cyclic']) || $options['cyclic'] < 0 || $options['cyclic'] > 1) {
    fail('cli_dtor.php', "--cyclic={$options['cyclic']}: expected a share from 0 to 1");
}
if ($options['touch'] > 0 && $options['world'] === 0) {
    fail('cli_dtor.php', '--touch: expected a world of at least one object (--world)');
}
if ($options['cyclic'] > 0 && $options['listed']) {
    fail('cli_dtor.php', '--listed: expected no rings (--cyclic=0)');
}
$checkpoints = new Checkpoints($options['steps']);
$storm = new Storm($options);
$checksum = 0;
for ($step = 1; $step <= $options['steps']; $step++) {
    $checksum = ($checksum * 31 + $storm->batch()) & 0xffffffff;
    $checkpoints->pass($step);
}
$checkpoints->report('cli_dtor', $options, $checksum, ['destroyed' => Storm::$destroyed, 'touched' => Storm::$sum]);
