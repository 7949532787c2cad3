<?php
/*
 * Twin of the workload cli-tick: ticks over a large world that lives on. Prints one line of JSON with live bytes and the
 * collector's state at ten checkpoints, and how long ticks took; README.md says what corresponds to what.
 */
declare(strict_types=1);

require __DIR__ . '/twin_text.php';
require __DIR__ . '/checkpoints.php';

const USAGE = <<<'TEXT'
usage: php cli_tick.php [--steps=N] [--seed=N] [--world=N] [--touch=N] [--garbage=N] [--linked=0|1]
           [--rest=MICROSECONDS]

  --steps=N             ticks (default 100)
  --seed=N              of the random numbers (default 1)
  --world=N             objects that live on (default 200000)
  --touch=N             of them that a tick takes into a variable, writes to and leaves (default 10000)
  --garbage=N           pairs of objects that refer to each other and die within the tick (default 10)
  --linked=1            each pair refers to an object of the world (default); 0: not
  --rest=MICROSECONDS   sleep at the end of a tick (default 0)

TEXT;

const TOUCH_STRIDE = 7919;
const ENTITIES_PER_CHUNK = 64;
const TOUCHES_PER_AIM = 64;
const TOUCHES_PER_UPDATE = 500;
const SAMPLES_PER_TICK = 16;
const FIELD_SIZE = 1 << 20;
const BUDGET_NS = 50000000;

class Entity
{
    public $id, $x, $y, $heading, $health, $chunk, $target;
}

class Chunk
{
    public $number, $entities = [], $world;
}

class Event
{
    public $id, $context, $entity;
}

class World
{
    public $entities = [], $chunks = [], $tick;
    public int $checksum = 0;
    private int $index = 0;

    public function __construct(private array $options)
    {
        for ($i = 0; $i < $options['world']; $i++) {
            if ($i % ENTITIES_PER_CHUNK === 0) {
                $this->chunks[] = new Chunk();
                $chunk = $this->chunks[count($this->chunks) - 1];
                $chunk->number = count($this->chunks) - 1;
                $chunk->world = $this;
            }
            $this->entities[] = new Entity();
            $this->place($this->entities[$i], $chunk, $i);
        }
    }

    private function place(Entity $entity, Chunk $chunk, int $id): void
    {
        $chunk->entities[] = $entity;
        $entity->id = $id;
        $entity->x = mt_rand(0, FIELD_SIZE - 1);
        $entity->y = mt_rand(0, FIELD_SIZE - 1);
        $entity->heading = mt_rand(0, 1023);
        $entity->health = 100;
        $entity->chunk = $chunk;
        $entity->target = $entity;
    }

    /** One function, so that what takes and leaves an object is the variable alone, as in the workload. */
    public function run(int $number): void
    {
        ['world' => $count, 'touch' => $touch, 'garbage' => $garbage, 'linked' => $linked] = $this->options;
        $this->tick = $number;
        $packet = '';
        for ($i = 0; $i < $touch; $i++) {
            $entity = $this->entities[$this->index];
            $heading = $entity->heading;
            $entity->x = ($entity->x + $heading) % FIELD_SIZE;
            $entity->y = ($entity->y + intdiv($heading, 2) + 1) % FIELD_SIZE;
            $entity->heading = ($heading * 5 + 1) % 1024;
            if ($i % TOUCHES_PER_AIM === 0) {
                $entity->target = $this->entities[mt_rand(0, $count - 1)];
            }
            if ($i % TOUCHES_PER_UPDATE === 0) {
                $packet .= sprintf('%d %d,%d;', $entity->id, $entity->x, $entity->y);
            }
            $this->index = ($this->index + TOUCH_STRIDE) % $count;
        }
        for ($i = 0; $i < $garbage; $i++) {
            $event = new Event();
            $context = new Event();
            $event->id = $i;
            $event->context = $context;
            $context->context = $event;
            if ($linked) {
                $event->entity = $entity;
            }
        }
        for ($i = 0; $i < SAMPLES_PER_TICK; $i++) {
            $this->checksum += $this->entities[mt_rand(0, $count - 1)]->x;
        }
        $this->checksum = ($this->checksum + crc32($packet)) & 0xffffffff;
    }
}

$options = read_options('cli_tick.php', array_slice($argv, 1), USAGE, ['steps' => 100, 'seed' => 1, 'world' => 200000,
    'touch' => 10000, 'garbage' => 10, 'linked' => 1, 'rest' => 0]);
if ($options['world'] < 1 || $options['touch'] < 1 || $options['steps'] < 1) {
    fail('cli_tick.php', 'expected at least one object, one touch and one tick');
}
mt_srand($options['seed']);
$checkpoints = new Checkpoints($options['steps']);
$world = new World($options);
$ticks = [];
for ($step = 1; $step <= $options['steps']; $step++) {
    $began = hrtime(true);
    $world->run($step);
    $ticks[] = hrtime(true) - $began;
    $checkpoints->pass($step);
    usleep($options['rest']);
}
sort($ticks);
$checkpoints->report('cli_tick', $options, $world->checksum, [
    'tick_p50_ns' => $ticks[intdiv(count($ticks), 2)],
    'tick_max_ns' => end($ticks),
    'ticks_over_budget' => count(array_filter($ticks, fn (int $ns): bool => $ns > BUDGET_NS)),
]);
