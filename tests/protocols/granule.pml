/*
 * A granule's byte as the protocols use it, and the two-word slots of objects. Included by the models.
 *
 * START and END are left out: no protocol decides by them, and whoever changes a byte keeps them.
 */
#define COLOUR_NONE 0 /* free, or allocated since the last cycle looked */
#define COLOUR_A    1
#define COLOUR_B    2
#define COLOUR_MASK 3
#define BUSY        4 /* with the new colour: the marker is reading the slots */
#define CLAIMED     8 /* with the old colour: the owner has written, the marker must not read */

#define COLOUR(granule) ((granule) & COLOUR_MASK)

/* One compare-and-swap; `swapped` tells whether it took place. */
inline compare_and_swap(target, expected, desired, swapped)
{
    atomic {
        if
        :: target == (expected) -> target = desired; swapped = true
        :: else -> swapped = false
        fi
    }
}
